output "id" {
  description = "By which SSH comes in."
  value       = aws_ec2_instance_connect_endpoint.ssh.id
}

output "group_id" {
  description = "The security group from which SSH comes."
  value       = module.firewall.id
}

output "outbound" {
  description = "Where the endpoint may go."
  value       = module.firewall.outbound
}
