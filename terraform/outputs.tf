output "address" {
  description = "The host's IPv4 address: what the domain's A record has to say."
  value       = aws_eip.host.public_ip
}

output "ipv6_address" {
  description = "The host's IPv6 address: what the domain's AAAA record has to say."
  value       = one(aws_network_interface.host.ipv6_addresses)
}

output "url" {
  description = "Where people come."
  value       = "https://${var.domain}/"
}

output "hosts" {
  description = "What Ansible's inventory is made of, by the names of the hosts."
  value = {
    (local.name) = {
      address        = aws_eip.host.public_ip
      instance_id    = aws_instance.host.id
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
  value       = one(aws_ec2_instance_connect_endpoint.ssh[*].id)
}

output "addresses" {
  description = "What the domain has to lead to."
  value       = concat([aws_eip.host.public_ip], tolist(aws_network_interface.host.ipv6_addresses))
}

output "records" {
  description = "The records that are left to you; none where Route 53 has them."
  value = var.route53_zone_id != null ? [] : concat(
    ["${var.domain}. A ${aws_eip.host.public_ip}"],
    [for address in aws_network_interface.host.ipv6_addresses : "${var.domain}. AAAA ${address}"],
  )
}

output "settings" {
  description = "Keys of sarangbang.toml that follow from the network."
  value       = {}
}
