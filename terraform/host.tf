module "hosts" {
  source = "./modules/hosts"

  name            = local.name
  domain          = var.domain
  hosts           = { (local.name) = module.network.subnets["host"].id }
  group_id        = module.firewall.id_with_rules
  architecture    = var.architecture
  instance_type   = var.instance_type
  image_id        = var.image_id
  ssh_public_key  = var.ssh_public_key
  root_volume_gib = var.root_volume_gib
}

locals {
  # There is one.
  host           = module.hosts.instances[local.name]
  ipv4_address   = module.hosts.addresses[local.name]
  ipv6_addresses = module.hosts.interfaces[local.name].ipv6_addresses
}
