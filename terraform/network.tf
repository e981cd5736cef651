module "network" {
  source = "./modules/network"

  name = local.name
  cidr = var.vpc_cidr

  subnets = {
    host = { number = 0, zone = 0, internet = true }
  }
}
