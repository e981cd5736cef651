# What several nodes have to be, whoever changes it. AWS is not asked: `terraform test` needs the provider's plugin alone.

mock_provider "aws" {
  mock_resource "aws_vpc" {
    defaults = { ipv6_cidr_block = "2001:db8:77::/56" }
  }
  mock_resource "aws_network_interface" {
    defaults = { ipv6_addresses = ["2001:db8:77::7"] }
  }
  mock_resource "aws_eip" {
    defaults = { public_ip = "192.0.2.7" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/net/mock/0123456789abcdef", dns_name = "mock.elb.eu-central-1.amazonaws.com" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/mock/0123456789abcdef" }
  }
  mock_resource "aws_elasticache_replication_group" {
    defaults = { primary_endpoint_address = "master.mock.cache.amazonaws.com" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:111122223333:mock" }
  }
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b"] }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  domain         = "chat.example.com"
  ssh_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2hT8sHh8yy0H8gfmVxZ1c1b1o4yJ8rYb8vYV9Gv1dS me@example.com"
  redis_user_id  = "sarangbang-chat-example-com"
}

run "nodes_stand_in_two_zones_behind_one_balancer" {
  variables {
    node_count = 3
  }
  assert {
    condition     = length(aws_instance.node) == 3 && length(toset([for subnet in aws_subnet.main : subnet.availability_zone])) == 2
    error_message = "there are not three nodes in two zones"
  }
  assert {
    condition     = [for name in sort(keys(local.nodes)) : local.nodes[name]] == [0, 1, 0]
    error_message = "the nodes are not spread over the zones"
  }
  assert {
    condition     = aws_lb.main.load_balancer_type == "network" && !aws_lb.main.internal && aws_lb.main.enable_deletion_protection && length(aws_lb.main.subnets) == 2
    error_message = "the load balancer is not one for TCP in two zones"
  }
  assert {
    condition     = toset([for listener in aws_lb_listener.door : "${listener.protocol} ${listener.port}"]) == toset(["TCP 80", "TCP 443"])
    error_message = "TCP of 80 and 443 is not passed through"
  }
  assert {
    condition     = length(aws_lb_target_group_attachment.node) == 6
    error_message = "not every node stands behind both ports"
  }
}

run "the_servers_believe_what_the_balancer_says" {
  assert {
    condition     = alltrue([for group in aws_lb_target_group.door : group.proxy_protocol_v2 && group.preserve_client_ip == "false" && group.protocol == "TCP"])
    error_message = "connections do not begin with a PROXY header by the balancer's own address"
  }
  assert {
    condition     = output.settings.proxy_protocol && toset(output.settings.trusted_proxies) == toset([for name in ["balancer-0", "balancer-1"] : aws_subnet.main[name].cidr_block])
    error_message = "the nodes do not trust the subnets of the balancer, or trust more"
  }
  assert {
    condition     = alltrue([for group in aws_lb_target_group.door : group.health_check[0].path == "/readyz" && group.health_check[0].protocol == "HTTPS"])
    error_message = "the balancer does not ask whether the server is ready"
  }
}

run "the_store_is_encrypted_and_reached_by_nodes_alone" {
  assert {
    condition     = aws_elasticache_replication_group.store.engine == "valkey" && aws_elasticache_replication_group.store.engine_version == "8.0" && aws_elasticache_replication_group.store.transit_encryption_enabled && aws_elasticache_replication_group.store.transit_encryption_mode == "required" && tobool(aws_elasticache_replication_group.store.at_rest_encryption_enabled)
    error_message = "the store is not Valkey 8 with TLS and encryption"
  }
  assert {
    condition     = aws_elasticache_replication_group.store.auth_token == null && aws_elasticache_replication_group.store.user_group_ids == toset(["sarangbang-chat-example-com"]) && aws_elasticache_user_group.store.user_ids == toset(["sarangbang-chat-example-com"])
    error_message = "the store lets others in than its one user, or a password stands in the state"
  }
  assert {
    condition     = aws_elasticache_replication_group.store.multi_az_enabled && aws_elasticache_replication_group.store.automatic_failover_enabled && aws_elasticache_replication_group.store.final_snapshot_identifier != null
    error_message = "the store is lost with its zone, or without a last snapshot"
  }
  assert {
    condition     = contains([for parameter in aws_elasticache_parameter_group.store.parameter : "${parameter.name}=${parameter.value}"], "maxmemory-policy=noeviction")
    error_message = "the store drops rooms when its memory is full"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.from_nodes.referenced_security_group_id == aws_security_group.node.id && aws_vpc_security_group_ingress_rule.from_nodes.from_port == 6379
    error_message = "others than the nodes reach the store"
  }
  assert {
    condition     = startswith(output.settings.redis.url, "rediss://sarangbang@") && !strcontains(output.settings.redis.url, "sarangbang:")
    error_message = "the nodes do not reach the store by TLS, or a password stands in the address"
  }
}

run "nodes_are_reached_by_the_balancer_alone_and_hardened" {
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.from_balancer : rule.referenced_security_group_id == aws_security_group.balancer.id && rule.cidr_ipv4 == null && rule.cidr_ipv6 == null])
    error_message = "others than the load balancer reach the nodes"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.door : "${rule.from_port} ${rule.security_group_id}"]) == toset(["80 ${aws_security_group.balancer.id}", "443 ${aws_security_group.balancer.id}"])
    error_message = "the load balancer is not open to everybody at 80 and 443 alone"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.admin) == 0 && length(aws_vpc_security_group_ingress_rule.endpoint_ssh) == 0
    error_message = "SSH is open although nobody asked for it"
  }
  assert {
    condition     = alltrue([for node in aws_instance.node : node.metadata_options[0].http_tokens == "required" && node.root_block_device[0].encrypted && node.disable_api_termination])
    error_message = "a node does not require IMDSv2, is not encrypted, or can be terminated by mistake"
  }
  assert {
    condition     = length(aws_default_security_group.empty.ingress) == 0 && length(aws_default_security_group.empty.egress) == 0
    error_message = "the default security group lets something in or out"
  }
}

run "ssh_is_not_opened_to_the_whole_internet" {
  command = plan
  variables {
    admin_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.admin_cidrs]
}

run "one_node_is_no_cluster" {
  command = plan
  variables {
    node_count = 1
  }
  expect_failures = [var.node_count]
}
