output "id" {
  description = "The security group, for the rules of others: its own may not stand yet."
  value       = aws_security_group.main.id
}

output "id_with_rules" {
  description = "The security group, for what is put into it: with all of its rules."
  value       = aws_security_group.main.id

  depends_on = [aws_vpc_security_group_ingress_rule.main, aws_vpc_security_group_egress_rule.main]
}

output "inbound" {
  description = "Every rule by which something comes in, as \"tcp 443 from ::/0\"."
  value = sort([
    for rule in aws_vpc_security_group_ingress_rule.main :
    "${rule.ip_protocol} ${join("-", distinct([rule.from_port, rule.to_port]))} from ${coalesce(rule.cidr_ipv4, rule.cidr_ipv6, rule.referenced_security_group_id)}"
  ])
}

output "outbound" {
  description = "Every rule by which something goes out, as \"udp 123 to ::/0\"."
  value = sort([
    for rule in aws_vpc_security_group_egress_rule.main :
    "${rule.ip_protocol} ${join("-", distinct([rule.from_port, rule.to_port]))} to ${coalesce(rule.cidr_ipv4, rule.cidr_ipv6, rule.referenced_security_group_id)}"
  ])
}
