locals {
  # By number, so that one more or one less leaves the others alone; by turns in one zone and the other.
  nodes = { for number in range(var.node_count) : "${local.name}-${number + 1}" => "nodes-${number % 2}" }
}

# Nothing is kept on a node: everything is in the store. Their role stays without rights: the password of the store is handed to
# them by Ansible, and by systemd to the service.
module "hosts" {
  source = "../modules/hosts"

  name            = local.name
  domain          = var.domain
  hosts           = { for name, subnet in local.nodes : name => module.network.subnets[subnet].id }
  group_id        = module.node_firewall.id_with_rules
  architecture    = var.architecture
  instance_type   = var.instance_type
  image_id        = var.image_id
  ssh_public_key  = var.ssh_public_key
  root_volume_gib = var.root_volume_gib
}
