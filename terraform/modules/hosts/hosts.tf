# The addresses belong to the interface and the interface to nobody: a host that has to be replaced gets them back, and
# the domain's records stay right.
resource "aws_network_interface" "host" {
  for_each = var.hosts

  subnet_id          = each.value
  description        = each.key
  security_groups    = [var.group_id]
  ipv6_address_count = 1

  tags = { Name = each.key }
}

# A host fetches packages and asks the authority by an address of its own: cheaper than a NAT gateway, and who gets in by it is
# for the security group to say.
resource "aws_eip" "host" {
  # checkov:skip=CKV2_AWS_19:It belongs to the interface, and by that to an instance.
  for_each = var.hosts

  domain = "vpc"

  tags = { Name = each.key }
}

resource "aws_eip_association" "host" {
  for_each = var.hosts

  allocation_id        = aws_eip.host[each.key].id
  network_interface_id = aws_network_interface.host[each.key].id
}

resource "aws_instance" "host" {
  # checkov:skip=CKV_AWS_126:Minute by minute figures come from the server's own metrics; AWS's cost extra and know less.
  # checkov:skip=CKV_AWS_135:The types of the Nitro system, which are the only ones that variables.tf tells of, are EBS optimized always; older ones refuse the flag.
  for_each = var.hosts

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
    network_interface_id = aws_network_interface.host[each.key].id
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
    # A newer image, or a line more in user-data.yaml, must never replace or stop a host: it keeps itself up to date.
    ignore_changes       = [ami, user_data]
    replace_triggered_by = [terraform_data.architecture]
  }

  # Its first start fetches packages.
  depends_on = [aws_eip_association.host]
}
