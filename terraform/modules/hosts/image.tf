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
  key_name   = var.name
  public_key = var.ssh_public_key

  lifecycle {
    # EC2 reads it at the first start alone; more operators are added on the host.
    ignore_changes = [public_key]
  }
}

# Another processor is another host, from another image; everything else about it can change in place.
resource "terraform_data" "architecture" {
  input = var.architecture
}
