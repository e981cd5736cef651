# An EC2 Instance Connect endpoint. It lets in whoever has the right ec2-instance-connect:OpenTunnel, and leads to port 22 of the
# hosts alone; that these let it in stands among their own rules.
module "firewall" {
  source = "../firewall"

  name        = "${var.name}-endpoint"
  description = "Sarangbang: the EC2 Instance Connect endpoint, to the SSH of the hosts alone"
  vpc_id      = var.vpc_id

  outbound = {
    ssh = { port = 22, groups = { hosts = var.hosts_group_id }, description = "SSH of the hosts" }
  }
}

resource "aws_ec2_instance_connect_endpoint" "ssh" {
  subnet_id          = var.subnet_id
  security_group_ids = [module.firewall.id_with_rules]
  preserve_client_ip = false

  tags = { Name = var.name }
}
