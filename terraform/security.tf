locals {
  # The whole internet, in both of its protocols.
  anywhere = ["0.0.0.0/0", "::/0"]
}

# Everything that comes in, and everything that goes out. What is not here is closed.
module "firewall" {
  source = "./modules/firewall"

  name        = local.name
  description = "Sarangbang: HTTPS, and HTTP that redirects there"
  vpc_id      = module.network.vpc_id

  inbound = {
    https           = { port = 443, cidrs = local.anywhere, description = "HTTPS for everybody" }
    http            = { port = 80, cidrs = local.anywhere, description = "HTTP for everybody" }
    ssh             = { port = 22, cidrs = var.admin_cidrs, description = "SSH of an operator" }
    ssh_by_endpoint = { port = 22, groups = { for endpoint in module.ssh_endpoint : "endpoint" => endpoint.group_id }, description = "SSH by the EC2 Instance Connect endpoint" }
  }

  # Names are resolved by the VPC's own server, which no security group stands before.
  outbound = {
    https = { port = 443, cidrs = local.anywhere, description = "packages, the authority of the certificate, backups" }
    http  = { port = 80, cidrs = local.anywhere, description = "packages" }
    time  = { port = 123, protocol = "udp", cidrs = local.anywhere, description = "time (NTP)" }
  }
}

module "ssh_endpoint" {
  source = "./modules/ssh-endpoint"
  count  = var.instance_connect_endpoint ? 1 : 0

  name           = local.name
  vpc_id         = module.network.vpc_id
  subnet_id      = module.network.subnets["host"].id
  hosts_group_id = module.firewall.id
}
