output "name" {
  description = "What everything on AWS is named by."
  value       = local.name
}

output "address" {
  description = "The host's IPv4 address: what the domain's A record has to say."
  value       = local.ipv4_address
}

output "ipv6_address" {
  description = "The host's IPv6 address: what the domain's AAAA record has to say."
  value       = one(local.ipv6_addresses)
}

output "url" {
  description = "Where people come."
  value       = "https://${var.domain}/"
}

output "hosts" {
  description = "What Ansible's inventory is made of, by the names of the hosts."
  value = {
    (local.name) = {
      address        = local.ipv4_address
      instance_id    = local.host.id
      data_volume_id = aws_ebs_volume.data.id
    }
  }
}

output "data_volume_id" {
  description = "The volume with everything that is kept."
  value       = aws_ebs_volume.data.id
}

output "backup_bucket" {
  description = "The bucket to which the host copies its backups, or null."
  value       = one(aws_s3_bucket.backups[*].bucket)
}

output "backup_bucket_region" {
  description = "Where that bucket is, or null."
  value       = one(aws_s3_bucket.backups[*].region)
}

output "instance_connect_endpoint_id" {
  description = "By which SSH comes in, or null."
  value       = one(module.ssh_endpoint[*].id)
}

output "addresses" {
  description = "What the domain has to lead to."
  value       = concat([local.ipv4_address], tolist(local.ipv6_addresses))
}

output "records" {
  description = "The records that are left to you; none where Route 53 has them."
  value = var.route53_zone_id != null ? [] : concat(
    ["${var.domain}. A ${local.ipv4_address}"],
    [for address in local.ipv6_addresses : "${var.domain}. AAAA ${address}"],
  )
}

output "settings" {
  description = "Keys of sarangbang.toml that follow from the network."
  value       = {}
}
