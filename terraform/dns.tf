resource "aws_route53_record" "ipv4" {
  # checkov:skip=CKV2_AWS_23:The address is that of the host's Elastic IP, by way of a module's output, through which checkov does not look.
  count = var.route53_zone_id == null ? 0 : 1

  zone_id = var.route53_zone_id
  name    = var.domain
  type    = "A"
  ttl     = 300
  records = [local.ipv4_address]
}

resource "aws_route53_record" "ipv6" {
  count = var.route53_zone_id == null ? 0 : 1

  zone_id = var.route53_zone_id
  name    = var.domain
  type    = "AAAA"
  ttl     = 300
  records = local.ipv6_addresses
}
