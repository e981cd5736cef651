locals {
  # The whole internet, in both of its protocols.
  anywhere = ["0.0.0.0/0", "::/0"]
}

# Everything that comes in, and everything that goes out: of the load balancer, the nodes and the store. What is not here is closed.

# The load balancer: open to everybody, and leading to the nodes alone.
module "balancer_firewall" {
  source = "../modules/firewall"

  name        = "${local.name}-balancer"
  description = "Sarangbang: the load balancer, HTTPS and HTTP"
  vpc_id      = module.network.vpc_id

  inbound = {
    https = { port = 443, cidrs = local.anywhere, description = "HTTPS for everybody" }
    http  = { port = 80, cidrs = local.anywhere, description = "HTTP for everybody" }
  }
  outbound = {
    https = { port = 443, groups = { nodes = module.node_firewall.id }, description = "HTTPS of the nodes" }
    http  = { port = 80, groups = { nodes = module.node_firewall.id }, description = "HTTP of the nodes" }
  }
}

# The nodes: reached by the load balancer, and by operators.
module "node_firewall" {
  source = "../modules/firewall"

  name        = "${local.name}-node"
  description = "Sarangbang: a node, behind the load balancer"
  vpc_id      = module.network.vpc_id

  inbound = {
    https           = { port = 443, groups = { balancer = module.balancer_firewall.id }, description = "HTTPS by the load balancer" }
    http            = { port = 80, groups = { balancer = module.balancer_firewall.id }, description = "HTTP by the load balancer" }
    ssh             = { port = 22, cidrs = var.admin_cidrs, description = "SSH of an operator" }
    ssh_by_endpoint = { port = 22, groups = { for endpoint in module.ssh_endpoint : "endpoint" => endpoint.group_id }, description = "SSH by the EC2 Instance Connect endpoint" }
  }

  # Names are resolved by the VPC's own server, which no security group stands before.
  outbound = {
    https = { port = 443, cidrs = local.anywhere, description = "packages, the authority of the certificate" }
    http  = { port = 80, cidrs = local.anywhere, description = "packages" }
    time  = { port = 123, protocol = "udp", cidrs = local.anywhere, description = "time (NTP)" }
    store = { port = 6379, groups = { store = module.store_firewall.id }, description = "the store" }
  }
}

# The store: reached by the nodes, and reaching nothing.
module "store_firewall" {
  source = "../modules/firewall"

  name        = "${local.name}-store"
  description = "Sarangbang: ElastiCache, for the nodes alone"
  vpc_id      = module.network.vpc_id

  inbound = {
    redis = { port = 6379, groups = { nodes = module.node_firewall.id }, description = "the nodes" }
  }
}

module "ssh_endpoint" {
  source = "../modules/ssh-endpoint"
  count  = var.instance_connect_endpoint ? 1 : 0

  name           = local.name
  vpc_id         = module.network.vpc_id
  subnet_id      = module.network.subnets["nodes-0"].id
  hosts_group_id = module.node_firewall.id
}
