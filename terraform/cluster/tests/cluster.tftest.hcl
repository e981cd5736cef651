# What several nodes have to be, whoever changes it. AWS is not asked: `terraform test` needs the provider's plugin alone.

mock_provider "aws" {
  source          = "../tests/mocks"
  override_during = plan
}

variables {
  domain         = "chat.example.com"
  ssh_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2hT8sHh8yy0H8gfmVxZ1c1b1o4yJ8rYb8vYV9Gv1dS me@example.com"
  redis_user_id  = "sarangbang-chat-5c0e6dd9"
}

run "nodes_stand_in_two_zones_behind_one_balancer" {
  command = plan
  variables {
    node_count = 3
  }
  assert {
    condition     = length(module.hosts.instances) == 3 && [for name in sort(keys(local.nodes)) : module.network.subnets[local.nodes[name]].availability_zone] == ["eu-central-1a", "eu-central-1b", "eu-central-1a"]
    error_message = "the nodes are not three, by turns in two zones"
  }
  assert {
    condition     = alltrue([for name, interface in module.hosts.interfaces : interface.subnet_id == module.network.subnets[local.nodes[name]].id])
    error_message = "a node stands in another subnet than it should"
  }
  assert {
    condition     = aws_lb.main.load_balancer_type == "network" && !aws_lb.main.internal && aws_lb.main.enable_deletion_protection && aws_lb.main.enable_cross_zone_load_balancing
    error_message = "the load balancer is none for TCP, or can be deleted by mistake"
  }
  assert {
    condition     = toset(local.balancer_subnets[*].availability_zone) == toset(["eu-central-1a", "eu-central-1b"]) && toset(local.store_subnets[*].availability_zone) == toset(["eu-central-1a", "eu-central-1b"])
    error_message = "the load balancer or the store stands in one zone"
  }
  assert {
    condition     = length(aws_lb_target_group_attachment.node) == 6
    error_message = "not every node stands behind both ports"
  }
}

run "the_balancer_passes_tcp_through" {
  command = plan

  assert {
    condition     = toset([for listener in aws_lb_listener.door : "${listener.protocol} ${listener.port}"]) == toset(["TCP 80", "TCP 443"]) && toset([for group in aws_lb_target_group.door : "${group.protocol} ${group.port}"]) == toset(["TCP 80", "TCP 443"])
    error_message = "TCP of 80 and 443 is not passed through"
  }
  assert {
    condition     = alltrue([for listener in aws_lb_listener.door : listener.certificate_arn == null && listener.default_action[0].type == "forward"])
    error_message = "TLS ends at the load balancer"
  }
}

run "the_servers_believe_what_the_balancer_says" {
  command = plan

  assert {
    condition     = alltrue([for group in aws_lb_target_group.door : group.proxy_protocol_v2 && group.preserve_client_ip == "false" && group.protocol == "TCP"])
    error_message = "connections do not begin with a PROXY header by the balancer's own address"
  }
  assert {
    condition     = output.settings.proxy_protocol && tolist(output.settings.trusted_proxies) == tolist(["10.77.0.0/20", "10.77.16.0/20"])
    error_message = "the nodes do not trust the subnets of the balancer, or trust more"
  }
  assert {
    condition     = alltrue([for group in aws_lb_target_group.door : group.health_check[0].path == "/readyz" && group.health_check[0].protocol == "HTTPS"])
    error_message = "the balancer does not ask whether the server is ready"
  }
}

run "the_store_is_encrypted_and_reached_by_nodes_alone" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.store.engine == "valkey" && aws_elasticache_replication_group.store.engine_version == "8.0" && aws_elasticache_replication_group.store.transit_encryption_enabled && aws_elasticache_replication_group.store.transit_encryption_mode == "required" && tobool(aws_elasticache_replication_group.store.at_rest_encryption_enabled)
    error_message = "the store is not Valkey 8 with TLS and encryption"
  }
  assert {
    condition     = aws_elasticache_replication_group.store.auth_token == null && aws_elasticache_replication_group.store.user_group_ids == toset([aws_elasticache_user_group.store.user_group_id]) && aws_elasticache_user_group.store.user_ids == toset(["sarangbang-chat-5c0e6dd9"])
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
    condition     = tolist(module.store_firewall.inbound) == tolist(["tcp 6379 from ${module.node_firewall.id}"]) && length(module.store_firewall.outbound) == 0 && aws_elasticache_replication_group.store.security_group_ids == toset([module.store_firewall.id])
    error_message = "others than the nodes reach the store, or it reaches something"
  }
  assert {
    condition     = tolist(module.network.public_subnets) == tolist(["balancer-0", "balancer-1", "nodes-0", "nodes-1"])
    error_message = "the store's subnets have a way to the internet"
  }
  assert {
    condition     = startswith(output.settings.redis.url, "rediss://sarangbang@") && !strcontains(output.settings.redis.url, "sarangbang:")
    error_message = "the nodes do not reach the store by TLS, or a password stands in the address"
  }
}

run "the_internet_reaches_the_balancer_and_nothing_else" {
  command = plan

  assert {
    condition     = tolist(module.balancer_firewall.inbound) == tolist(["tcp 443 from 0.0.0.0/0", "tcp 443 from ::/0", "tcp 80 from 0.0.0.0/0", "tcp 80 from ::/0"]) && aws_lb.main.security_groups == toset([module.balancer_firewall.id])
    error_message = "the load balancer is not open to everybody at 80 and 443 alone: ${join(", ", module.balancer_firewall.inbound)}"
  }
  assert {
    condition     = tolist(module.balancer_firewall.outbound) == tolist(["tcp 443 to ${module.node_firewall.id}", "tcp 80 to ${module.node_firewall.id}"])
    error_message = "the load balancer leads elsewhere than to the nodes: ${join(", ", module.balancer_firewall.outbound)}"
  }
  assert {
    condition     = tolist(module.node_firewall.inbound) == tolist(["tcp 443 from ${module.balancer_firewall.id}", "tcp 80 from ${module.balancer_firewall.id}"])
    error_message = "others than the load balancer reach the nodes: ${join(", ", module.node_firewall.inbound)}"
  }
  assert {
    condition     = tolist(module.node_firewall.outbound) == tolist(["tcp 443 to 0.0.0.0/0", "tcp 443 to ::/0", "tcp 6379 to ${module.store_firewall.id}", "tcp 80 to 0.0.0.0/0", "tcp 80 to ::/0", "udp 123 to 0.0.0.0/0", "udp 123 to ::/0"])
    error_message = "the nodes may reach something else than packages, the authority, the time and the store: ${join(", ", module.node_firewall.outbound)}"
  }
  assert {
    condition     = alltrue([for interface in module.hosts.interfaces : interface.security_groups == toset([module.node_firewall.id])])
    error_message = "a node stands behind another security group than the one that was looked at"
  }
  assert {
    condition     = length(module.network.default_group.ingress) == 0 && length(module.network.default_group.egress) == 0
    error_message = "the default security group lets something in or out"
  }
}

run "every_node_requires_imdsv2_and_cannot_be_terminated_by_mistake" {
  command = plan

  assert {
    condition     = alltrue([for node in module.hosts.instances : node.metadata_options[0].http_tokens == "required" && node.metadata_options[0].http_put_response_hop_limit == 1])
    error_message = "a node does not require IMDSv2"
  }
  assert {
    condition     = alltrue([for node in module.hosts.instances : node.disable_api_termination && node.instance_initiated_shutdown_behavior == "stop"])
    error_message = "a node can be terminated by mistake"
  }
}

run "every_volume_is_encrypted" {
  command = plan

  assert {
    condition     = alltrue([for node in module.hosts.instances : node.root_block_device[0].encrypted && node.root_block_device[0].volume_type == "gp3"])
    error_message = "a volume of a node is not encrypted"
  }
}

run "no_secret_stands_in_the_user_data" {
  command = plan

  assert {
    condition     = alltrue([for node in module.hosts.instances : length(regexall("(?i)(password|secret|token|private key|AKIA)[^-]*[:=]\\s*\\S", join("\n", [for line in split("\n", node.user_data) : line if !startswith(trimspace(line), "#")]))) == 0])
    error_message = "the user data, which every process of a node can read, holds something that looks like a secret"
  }
  assert {
    condition     = alltrue([for node in module.hosts.instances : yamldecode(node.user_data).ssh_pwauth == false])
    error_message = "the user data is no cloud-config any more, or lets passwords in by SSH"
  }
}

run "alarms_are_about_every_node_and_the_memory" {
  command = plan
  variables {
    alarm_email = "me@example.com"
  }
  assert {
    condition     = length(module.alarms.checks) == 4 && length(aws_cloudwatch_metric_alarm.memory) == 2
    error_message = "there are not two alarms for each of two nodes, and one for the memory of each server of the store"
  }
  assert {
    condition     = length(module.alarms.topics) == 1 && alltrue([for alarm in concat(values(module.alarms.checks), values(aws_cloudwatch_metric_alarm.memory)) : contains(alarm.alarm_actions, module.alarms.topics[0])])
    error_message = "an alarm writes to nobody"
  }
}

run "ssh_can_come_by_an_endpoint_with_port_22_closed" {
  command = plan
  variables {
    instance_connect_endpoint = true
  }
  assert {
    condition     = [for rule in module.node_firewall.inbound : rule if startswith(rule, "tcp 22 ")] == ["tcp 22 from ${module.ssh_endpoint[0].group_id}"] && tolist(module.ssh_endpoint[0].outbound) == tolist(["tcp 22 to ${module.node_firewall.id}"])
    error_message = "SSH comes from elsewhere than the endpoint, or that leads elsewhere: ${join(", ", module.node_firewall.inbound)}"
  }
}

run "the_longest_domain_gives_names_that_aws_takes" {
  command = plan
  variables {
    domain     = "${join(".", [for letter in ["a", "b", "c"] : join("", [for _ in range(62) : letter])])}.${join("", [for _ in range(52) : "d"])}.example.com"
    node_count = 9
  }
  assert {
    condition     = length(var.domain) == 253 && length(module.hosts.role.name) <= 64 && length(module.hosts.role.profile) <= 64
    error_message = "IAM takes no name of more than 64 characters"
  }
  assert {
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html
    condition     = alltrue([for id in [aws_elasticache_replication_group.store.replication_group_id, aws_elasticache_user_group.store.user_group_id] : can(regex("^[a-z](-?[a-z0-9]){0,39}$", id))])
    error_message = "ElastiCache takes 40 small letters, digits and dashes, none of which follows another one or stands at the end"
  }
  assert {
    condition     = alltrue([for text in concat([aws_elasticache_replication_group.store.description, aws_elasticache_subnet_group.store.description, aws_elasticache_parameter_group.store.description], [for interface in module.hosts.interfaces : interface.description]) : length(text) <= 255])
    error_message = "a description is too long for AWS"
  }
  assert {
    # Terraform makes a load balancer's name of at most 32 characters from a beginning of six at most.
    condition     = alltrue([for prefix in concat([aws_lb.main.name_prefix], [for group in aws_lb_target_group.door : group.name_prefix]) : length(prefix) <= 6])
    error_message = "a load balancer's name is too long for AWS"
  }
}

run "the_store_begins_again_from_a_snapshot" {
  command = plan
  variables {
    store_snapshot = "sarangbang-chat-example-com-20261123-114500"
    final_snapshot = "sarangbang-chat-example-com-20261224-180000"
  }
  assert {
    condition     = aws_elasticache_replication_group.store.snapshot_name == var.store_snapshot && aws_elasticache_replication_group.store.final_snapshot_identifier == var.final_snapshot
    error_message = "the store is empty, or its last snapshot would have the name of the one before"
  }
}

run "records_are_an_alias_where_there_is_a_zone" {
  command = plan
  variables {
    route53_zone_id = "Z0123456789"
  }
  assert {
    condition     = toset(keys(aws_route53_record.balancer)) == toset(["A", "AAAA"]) && alltrue([for record in aws_route53_record.balancer : record.alias[0].name == aws_lb.main.dns_name]) && length(output.records) == 0
    error_message = "the domain does not lead to the load balancer"
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
