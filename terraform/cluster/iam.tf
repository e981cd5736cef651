# As with one host: a role without rights, so that whoever breaks into a node finds no credentials that are good for anything.
# The password of the store is handed to the nodes by Ansible, and by systemd to the service.
resource "aws_iam_role" "node" {
  name        = "${local.name}-node"
  description = "The nodes of ${var.domain}; without rights"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "node" {
  name = "${local.name}-node"
  role = aws_iam_role.node.name
}
