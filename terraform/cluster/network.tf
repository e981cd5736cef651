# Each kind of thing has subnets of its own, in two zones, of which one may fail. So an address tells what stands behind it: what
# comes from a subnet of the load balancer is believed when it says whom it speaks for. The store has no way to the internet,
# nor from it.
module "network" {
  source = "../modules/network"

  name = local.name
  cidr = var.vpc_cidr

  subnets = {
    balancer-0 = { number = 0, zone = 0, internet = true }
    balancer-1 = { number = 1, zone = 1, internet = true }
    nodes-0    = { number = 2, zone = 0, internet = true }
    nodes-1    = { number = 3, zone = 1, internet = true }
    store-0    = { number = 4, zone = 0, internet = false }
    store-1    = { number = 5, zone = 1, internet = false }
  }
}

locals {
  balancer_subnets = [module.network.subnets["balancer-0"], module.network.subnets["balancer-1"]]
  store_subnets    = [module.network.subnets["store-0"], module.network.subnets["store-1"]]
}
