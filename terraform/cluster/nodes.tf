# Debian 12 by the Debian project's own account: https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm
data "aws_ami" "debian" {
  owners      = ["136693071363"]
  most_recent = true

  filter {
    name   = "name"
    values = ["debian-12-${var.architecture == "arm64" ? "arm64" : "amd64"}-*"]
  }

  filter {
    name   = "architecture"
    values = [var.architecture]
  }

  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }

  filter {
    name   = "root-device-type"
    values = ["ebs"]
  }
}

resource "aws_key_pair" "operator" {
  key_name   = local.name
  public_key = var.ssh_public_key

  lifecycle {
    # EC2 reads it at the first start alone; more operators are added on the host.
    ignore_changes = [public_key]
  }
}

locals {
  # By number, so that one more or one less leaves the others alone.
  nodes = { for number in range(var.node_count) : "${local.name}-${number + 1}" => number % 2 }
}

resource "aws_network_interface" "node" {
  for_each = local.nodes

  subnet_id          = aws_subnet.main["nodes-${each.value}"].id
  description        = "A node of ${var.domain}"
  security_groups    = [aws_security_group.node.id]
  ipv6_address_count = 1

  tags = { Name = each.key }
}

# A node fetches packages and asks the authority by an address of its own: cheaper than NAT gateways, and nobody gets in by
# it, as the security group lets the load balancer in alone.
resource "aws_eip" "node" {
  # checkov:skip=CKV2_AWS_19:It belongs to the interface, and by that to an instance.
  for_each = local.nodes

  domain = "vpc"

  tags = { Name = each.key }
}

resource "aws_eip_association" "node" {
  for_each = local.nodes

  allocation_id        = aws_eip.node[each.key].id
  network_interface_id = aws_network_interface.node[each.key].id
}

# Another processor is another host, from another image.
resource "terraform_data" "architecture" {
  input = var.architecture
}

# Nothing is kept on a node: everything is in the store.
resource "aws_instance" "node" {
  # checkov:skip=CKV_AWS_126:Minute by minute figures come from the server's own metrics; AWS's cost extra and know less.
  for_each = local.nodes

  ami                     = coalesce(var.image_id, data.aws_ami.debian.id)
  instance_type           = coalesce(var.instance_type, var.architecture == "arm64" ? "t4g.small" : "t3.small")
  key_name                = aws_key_pair.operator.key_name
  iam_instance_profile    = aws_iam_instance_profile.node.name
  disable_api_termination = true
  ebs_optimized           = true
  user_data               = file("${path.module}/../user-data.yaml")

  instance_initiated_shutdown_behavior = "stop"

  network_interface {
    network_interface_id = aws_network_interface.node[each.key].id
    device_index         = 0
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_volume_gib
    encrypted   = true
  }

  tags = { Name = each.key }

  lifecycle {
    ignore_changes       = [ami, user_data]
    replace_triggered_by = [terraform_data.architecture]
  }

  # Its first start installs packages.
  depends_on = [aws_eip_association.node, aws_route.ipv4, aws_vpc_security_group_egress_rule.way_out]
}
