locals {
  doors = { http = 80, https = 443 }
}

# Passes TCP through: TLS ends on the nodes, which have the certificate, and no key is anywhere else.
resource "aws_lb" "main" {
  # checkov:skip=CKV_AWS_91:A log of the load balancer is a record of who came when from where; the server's own log tells what an operator needs.
  # checkov:skip=CKV2_AWS_28:A web application firewall stands before HTTP; this passes TCP through.
  # checkov:skip=CKV2_AWS_20:The listener of port 80 leads to the nodes, which redirect it: they answer the authority there too.
  name_prefix                      = "chat-"
  load_balancer_type               = "network"
  ip_address_type                  = "dualstack"
  internal                         = false
  security_groups                  = [module.balancer_firewall.id_with_rules]
  subnets                          = local.balancer_subnets[*].id
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection

  tags = { Name = local.name }
}

resource "aws_lb_target_group" "door" {
  # checkov:skip=CKV_AWS_378:It passes TCP through, with TLS in it.
  for_each = local.doors

  name_prefix = "chat-"
  vpc_id      = module.network.vpc_id
  protocol    = "TCP"
  port        = each.value
  target_type = "instance"

  # Whom it speaks for stands in a PROXY header of version 2. The nodes believe it by the address that it comes from
  # (trusted_proxies), so that has to be the load balancer's own: with the client's kept, no header would be believed.
  proxy_protocol_v2  = true
  preserve_client_ip = false

  # A node that drains answers 503 here, and its clients are told to come back by itself.
  deregistration_delay   = 60
  connection_termination = true

  # Both ports are as ready as the server is. systemd holds them while it is not, so that it has to be asked.
  # Until there is a certificate no node is ready; then the load balancer leads to all of them, and the authority gets its answer.
  health_check {
    protocol            = "HTTPS"
    port                = "443"
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 6
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  tags = { Name = "${local.name}-${each.key}" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "door" {
  # checkov:skip=CKV_AWS_2:It passes TCP through; the nodes speak TLS.
  # checkov:skip=CKV_AWS_103:It passes TCP through; the nodes speak TLS 1.2 and 1.3.
  for_each = local.doors

  load_balancer_arn = aws_lb.main.arn
  protocol          = "TCP"
  port              = each.value

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.door[each.key].arn
  }
}

resource "aws_lb_target_group_attachment" "node" {
  for_each = { for pair in setproduct(keys(local.doors), keys(local.nodes)) : "${pair[0]}-${pair[1]}" => pair }

  target_group_arn = aws_lb_target_group.door[each.value[0]].arn
  target_id        = module.hosts.instances[each.value[1]].id
}
