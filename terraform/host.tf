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

# The addresses belong to the interface and the interface to nobody: a host that has to be replaced gets them back, and
# the domain's records stay right.
resource "aws_network_interface" "host" {
  subnet_id          = aws_subnet.public.id
  description        = "The host of ${var.domain}"
  security_groups    = [aws_security_group.host.id]
  ipv6_address_count = 1

  tags = { Name = local.name }
}

resource "aws_eip" "host" {
  # checkov:skip=CKV2_AWS_19:It belongs to the interface, and by that to an instance.
  domain = "vpc"

  tags = { Name = local.name }
}

resource "aws_eip_association" "host" {
  allocation_id        = aws_eip.host.id
  network_interface_id = aws_network_interface.host.id
}

# Another processor is another host, from another image; everything else about it can change in place.
resource "terraform_data" "architecture" {
  input = var.architecture
}

resource "aws_instance" "host" {
  # checkov:skip=CKV_AWS_126:Minute by minute figures come from the server's own metrics; AWS's cost extra and know less.
  # checkov:skip=CKV_AWS_135:The types of the Nitro system, which are the only ones that variables.tf tells of, are EBS optimized always; older ones refuse the flag.
  ami                     = coalesce(var.image_id, data.aws_ami.debian.id)
  instance_type           = coalesce(var.instance_type, var.architecture == "arm64" ? "t4g.small" : "t3.small")
  key_name                = aws_key_pair.operator.key_name
  iam_instance_profile    = aws_iam_instance_profile.host.name
  disable_api_termination = true
  ebs_optimized           = true
  user_data               = file("${path.module}/user-data.yaml")

  # A shutdown from within stops the host; it never ends it.
  instance_initiated_shutdown_behavior = "stop"

  network_interface {
    network_interface_id = aws_network_interface.host.id
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

  tags = { Name = local.name }

  lifecycle {
    # A newer image, or a line more in user-data.yaml, must never replace or stop a host: it keeps itself up to date.
    ignore_changes       = [ami, user_data]
    replace_triggered_by = [terraform_data.architecture]
  }

  # Its first start installs packages.
  depends_on = [aws_eip_association.host, aws_route.ipv4, aws_vpc_security_group_egress_rule.way_out]
}
