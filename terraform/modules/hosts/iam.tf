# A role without any right. What the hosts may do on AWS, if anything, is given to it where this module is called: whoever breaks
# into a host finds no credentials that are good for more.
resource "aws_iam_role" "host" {
  name        = "${var.name}-host"
  description = "The hosts of ${var.domain}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "host" {
  name = "${var.name}-host"
  role = aws_iam_role.host.name
}
