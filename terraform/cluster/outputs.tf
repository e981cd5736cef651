output "name" {
  description = "What everything on AWS is named by."
  value       = local.name
}

output "url" {
  description = "Where people come."
  value       = "https://${var.domain}/"
}

output "addresses" {
  description = "What the domain has to lead to: the load balancer, whose addresses AWS may change."
  value       = [aws_lb.main.dns_name]
}

output "records" {
  description = "The records that are left to you; none where Route 53 has them."
  value       = var.route53_zone_id != null ? [] : ["${var.domain}. CNAME ${aws_lb.main.dns_name}."]
}

output "hosts" {
  description = "What Ansible's inventory is made of, by the names of the nodes."
  value = {
    for name in keys(local.nodes) : name => {
      address     = module.hosts.addresses[name]
      instance_id = module.hosts.instances[name].id
    }
  }
}

output "instance_connect_endpoint_id" {
  description = "By which SSH comes in, or null."
  value       = one(module.ssh_endpoint[*].id)
}

output "settings" {
  description = "Keys of sarangbang.toml that follow from the network. The password is none of them."
  value = {
    proxy_protocol  = true
    trusted_proxies = local.balancer_subnets[*].cidr_block
    redis = {
      url           = "rediss://sarangbang@${aws_elasticache_replication_group.store.primary_endpoint_address}:6379"
      password_file = "/run/credentials/sarangbang.service/redis-password"
    }
  }
}
