locals {
  anywhere = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  doors = { http = 80, https = 443 }

  # What a node itself has to reach; names are resolved by the VPC's own server, which no security group stands before.
  ways_out = {
    http  = { port = 80, protocol = "tcp", description = "packages" }
    https = { port = 443, protocol = "tcp", description = "packages, the authority of the certificate" }
    time  = { port = 123, protocol = "udp", description = "time (NTP)" }
  }
}

# The load balancer: open to everybody, and leading to the nodes alone.
resource "aws_security_group" "balancer" {
  name        = "${local.name}-balancer"
  description = "Sarangbang: the load balancer, HTTPS and HTTP"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${local.name}-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "door" {
  # checkov:skip=CKV_AWS_260:Port 80 redirects to HTTPS and answers the authority's questions (RFC 8555, 8.3), which come from anywhere.
  for_each = { for pair in setproduct(keys(local.doors), keys(local.anywhere)) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = aws_security_group.balancer.id
  description       = "${upper(each.value[0])} for everybody"
  ip_protocol       = "tcp"
  from_port         = local.doors[each.value[0]]
  to_port           = local.doors[each.value[0]]
  cidr_ipv4         = each.value[1] == "ipv4" ? local.anywhere.ipv4 : null
  cidr_ipv6         = each.value[1] == "ipv6" ? local.anywhere.ipv6 : null
}

resource "aws_vpc_security_group_egress_rule" "to_nodes" {
  for_each = local.doors

  security_group_id            = aws_security_group.balancer.id
  description                  = "${upper(each.key)} of the nodes"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = aws_security_group.node.id
}

# The nodes: reached by the load balancer, and by operators.
resource "aws_security_group" "node" {
  name        = "${local.name}-node"
  description = "Sarangbang: a node, behind the load balancer"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${local.name}-node" }
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  # checkov:skip=CKV_AWS_260:It lets in a security group, the load balancer's, and no network.
  for_each = local.doors

  security_group_id            = aws_security_group.node.id
  description                  = "${upper(each.key)} by the load balancer"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = aws_security_group.balancer.id
}

resource "aws_vpc_security_group_ingress_rule" "admin" {
  for_each = toset(var.admin_cidrs)

  security_group_id = aws_security_group.node.id
  description       = "SSH of an operator"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = strcontains(each.value, ":") ? null : each.value
  cidr_ipv6         = strcontains(each.value, ":") ? each.value : null
}

resource "aws_vpc_security_group_egress_rule" "way_out" {
  for_each = { for pair in setproduct(keys(local.ways_out), keys(local.anywhere)) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = aws_security_group.node.id
  description       = local.ways_out[each.value[0]].description
  ip_protocol       = local.ways_out[each.value[0]].protocol
  from_port         = local.ways_out[each.value[0]].port
  to_port           = local.ways_out[each.value[0]].port
  cidr_ipv4         = each.value[1] == "ipv4" ? local.anywhere.ipv4 : null
  cidr_ipv6         = each.value[1] == "ipv6" ? local.anywhere.ipv6 : null
}

resource "aws_vpc_security_group_egress_rule" "to_store" {
  security_group_id            = aws_security_group.node.id
  description                  = "the store"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.store.id
}

# The store: reached by the nodes, and reaching nothing.
resource "aws_security_group" "store" {
  name        = "${local.name}-store"
  description = "Sarangbang: ElastiCache, for the nodes alone"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${local.name}-store" }
}

resource "aws_vpc_security_group_ingress_rule" "from_nodes" {
  security_group_id            = aws_security_group.store.id
  description                  = "the nodes"
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  referenced_security_group_id = aws_security_group.node.id
}

# An endpoint lets in whoever has the right ec2-instance-connect:OpenTunnel, and leads to port 22 of the nodes alone.
resource "aws_ec2_instance_connect_endpoint" "ssh" {
  count = var.instance_connect_endpoint ? 1 : 0

  subnet_id          = aws_subnet.main["nodes-0"].id
  security_group_ids = [aws_security_group.endpoint[0].id]
  preserve_client_ip = false

  tags = { Name = local.name }
}

resource "aws_security_group" "endpoint" {
  # checkov:skip=CKV2_AWS_5:It belongs to the endpoint above, which checkov does not count as a user of security groups.
  count = var.instance_connect_endpoint ? 1 : 0

  name        = "${local.name}-endpoint"
  description = "Sarangbang: the EC2 Instance Connect endpoint, to the SSH of the nodes alone"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${local.name}-endpoint" }
}

resource "aws_vpc_security_group_egress_rule" "endpoint_ssh" {
  count = var.instance_connect_endpoint ? 1 : 0

  security_group_id            = aws_security_group.endpoint[0].id
  description                  = "SSH of the nodes"
  ip_protocol                  = "tcp"
  from_port                    = 22
  to_port                      = 22
  referenced_security_group_id = aws_security_group.node.id
}

resource "aws_vpc_security_group_ingress_rule" "endpoint_ssh" {
  count = var.instance_connect_endpoint ? 1 : 0

  security_group_id            = aws_security_group.node.id
  description                  = "SSH by the EC2 Instance Connect endpoint"
  ip_protocol                  = "tcp"
  from_port                    = 22
  to_port                      = 22
  referenced_security_group_id = aws_security_group.endpoint[0].id
}
