# One security group, from one table of what is let in and one of what is let out. Whoever calls this writes down who may
# come; here that becomes AWS's rules, of which each knows one network or one group.
resource "aws_security_group" "main" {
  # checkov:skip=CKV2_AWS_5:What is in this group stands where this module is called, which checkov does not follow.
  name        = var.name
  description = var.description
  vpc_id      = var.vpc_id

  tags = { Name = var.name }
}

locals {
  tables = { inbound = var.inbound, outbound = var.outbound }

  rules = {
    for direction, table in local.tables : direction => merge([
      for name, rule in table : merge(
        { for cidr in toset(rule.cidrs) : "${name} ${cidr}" => merge(rule, {
          ipv4  = strcontains(cidr, ":") ? null : cidr
          ipv6  = strcontains(cidr, ":") ? cidr : null
          group = null
        }) },
        { for word, id in rule.groups : "${name} ${word}" => merge(rule, { ipv4 = null, ipv6 = null, group = id }) },
      )
    ]...)
  }
}

resource "aws_vpc_security_group_ingress_rule" "main" {
  # checkov:skip=CKV_AWS_260:Port 80 redirects to HTTPS and answers the authority's questions (RFC 8555, 8.3), which come from anywhere.
  for_each = local.rules.inbound

  security_group_id            = aws_security_group.main.id
  description                  = each.value.description
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = each.value.ipv4
  cidr_ipv6                    = each.value.ipv6
  referenced_security_group_id = each.value.group
}

resource "aws_vpc_security_group_egress_rule" "main" {
  for_each = local.rules.outbound

  security_group_id            = aws_security_group.main.id
  description                  = each.value.description
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = each.value.ipv4
  cidr_ipv6                    = each.value.ipv6
  referenced_security_group_id = each.value.group
}
