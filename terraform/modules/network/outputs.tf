output "vpc_id" {
  description = "The network."
  value       = aws_vpc.main.id
}

output "subnets" {
  description = "The subnets by name, as AWS has them. What is put into one finds its way to the internet there."
  value       = aws_subnet.main

  depends_on = [aws_route.ipv4, aws_route.ipv6, aws_route_table_association.public]
}

output "public_subnets" {
  description = "The names of the subnets that have a way to the internet."
  value       = keys(aws_route_table_association.public)
}

output "default_group" {
  description = "The security group of whatever has no other: it holds no rule."
  value       = aws_default_security_group.empty
}
