module "alarms" {
  source = "./modules/alarms"

  name      = local.name
  domain    = var.domain
  instances = { (local.name) = local.host.id }
  email     = var.alarm_email
}
