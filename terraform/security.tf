resource "aws_security_group" "host" {
  name        = local.name
  description = "Sarangbang: HTTPS, and HTTP that redirects there"
  vpc_id      = aws_vpc.main.id

  tags = { Name = local.name }
}

locals {
  # The whole internet, in both of its protocols.
  anywhere = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  doors = { http = 80, https = 443 }

  # What the host itself has to reach: packages over HTTP and HTTPS, the certificate's authority, the time. Names are
  # resolved by the VPC's own server, which no security group stands before.
  ways_out = {
    http  = { port = 80, protocol = "tcp", description = "packages" }
    https = { port = 443, protocol = "tcp", description = "packages, the authority of the certificate, backups" }
    time  = { port = 123, protocol = "udp", description = "time (NTP)" }
  }
}

resource "aws_vpc_security_group_ingress_rule" "door" {
  # checkov:skip=CKV_AWS_260:Port 80 redirects to HTTPS and answers the authority's questions (RFC 8555, 8.3), which come from anywhere.
  for_each = { for pair in setproduct(keys(local.doors), keys(local.anywhere)) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = aws_security_group.host.id
  description       = "${upper(each.value[0])} for everybody"
  ip_protocol       = "tcp"
  from_port         = local.doors[each.value[0]]
  to_port           = local.doors[each.value[0]]
  cidr_ipv4         = each.value[1] == "ipv4" ? local.anywhere.ipv4 : null
  cidr_ipv6         = each.value[1] == "ipv6" ? local.anywhere.ipv6 : null
}

resource "aws_vpc_security_group_egress_rule" "way_out" {
  for_each = { for pair in setproduct(keys(local.ways_out), keys(local.anywhere)) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = aws_security_group.host.id
  description       = local.ways_out[each.value[0]].description
  ip_protocol       = local.ways_out[each.value[0]].protocol
  from_port         = local.ways_out[each.value[0]].port
  to_port           = local.ways_out[each.value[0]].port
  cidr_ipv4         = each.value[1] == "ipv4" ? local.anywhere.ipv4 : null
  cidr_ipv6         = each.value[1] == "ipv6" ? local.anywhere.ipv6 : null
}

resource "aws_vpc_security_group_ingress_rule" "admin" {
  for_each = toset(var.admin_cidrs)

  security_group_id = aws_security_group.host.id
  description       = "SSH of an operator"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = strcontains(each.value, ":") ? null : each.value
  cidr_ipv6         = strcontains(each.value, ":") ? each.value : null
}

# An endpoint lets in whoever has the right ec2-instance-connect:OpenTunnel, and leads to port 22 of this host alone.
resource "aws_ec2_instance_connect_endpoint" "ssh" {
  count = var.instance_connect_endpoint ? 1 : 0

  subnet_id          = aws_subnet.public.id
  security_group_ids = [aws_security_group.endpoint[0].id]
  preserve_client_ip = false

  tags = { Name = local.name }
}

resource "aws_security_group" "endpoint" {
  # checkov:skip=CKV2_AWS_5:It belongs to the endpoint above, which checkov does not count as a user of security groups.
  count = var.instance_connect_endpoint ? 1 : 0

  name        = "${local.name}-endpoint"
  description = "Sarangbang: the EC2 Instance Connect endpoint, to the host's SSH alone"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${local.name}-endpoint" }
}

resource "aws_vpc_security_group_egress_rule" "endpoint_ssh" {
  count = var.instance_connect_endpoint ? 1 : 0

  security_group_id            = aws_security_group.endpoint[0].id
  description                  = "SSH of the host"
  ip_protocol                  = "tcp"
  from_port                    = 22
  to_port                      = 22
  referenced_security_group_id = aws_security_group.host.id
}

resource "aws_vpc_security_group_ingress_rule" "endpoint_ssh" {
  count = var.instance_connect_endpoint ? 1 : 0

  security_group_id            = aws_security_group.host.id
  description                  = "SSH by the EC2 Instance Connect endpoint"
  ip_protocol                  = "tcp"
  from_port                    = 22
  to_port                      = 22
  referenced_security_group_id = aws_security_group.endpoint[0].id
}
