output "instances" {
  description = "The hosts by name, as AWS has them."
  value       = aws_instance.host
}

output "interfaces" {
  description = "Their interfaces, by which they are reached, by the hosts' names."
  value       = aws_network_interface.host
}

output "addresses" {
  description = "Their IPv4 addresses for the internet, by the hosts' names."
  value       = { for name, address in aws_eip.host : name => address.public_ip }
}

output "associations" {
  description = "To which interface each of these addresses belongs."
  value       = aws_eip_association.host
}

output "role" {
  description = "The role of the hosts, which has no right yet."
  value       = { name = aws_iam_role.host.name, id = aws_iam_role.host.id, profile = aws_iam_instance_profile.host.name }
}

output "image_owners" {
  description = "By whose accounts their image is, where none was named."
  value       = data.aws_ami.debian.owners
}
