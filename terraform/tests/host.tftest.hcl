# What the host has to be, whoever changes it. AWS is not asked: `terraform test` needs the provider's plugin alone.

# Everything is planned and nothing applied, as what is made could not be taken down: the volume is protected from that.
mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  domain         = "chat.example.com"
  ssh_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2hT8sHh8yy0H8gfmVxZ1c1b1o4yJ8rYb8vYV9Gv1dS me@example.com"
}

run "only_web_ports_are_open_to_the_internet" {
  command = plan

  assert {
    condition     = tolist(module.firewall.inbound) == tolist(["tcp 443 from 0.0.0.0/0", "tcp 443 from ::/0", "tcp 80 from 0.0.0.0/0", "tcp 80 from ::/0"])
    error_message = "more, or less, than 80 and 443 is open to the internet: ${join(", ", module.firewall.inbound)}"
  }
  assert {
    condition     = tolist(module.firewall.outbound) == tolist(["tcp 443 to 0.0.0.0/0", "tcp 443 to ::/0", "tcp 80 to 0.0.0.0/0", "tcp 80 to ::/0", "udp 123 to 0.0.0.0/0", "udp 123 to ::/0"])
    error_message = "the host may reach something else than packages, the authority and the time: ${join(", ", module.firewall.outbound)}"
  }
  assert {
    condition     = alltrue([for interface in module.hosts.interfaces : interface.security_groups == toset([module.firewall.id])]) && length(module.hosts.interfaces) == 1
    error_message = "the host stands behind another security group than the one that was looked at"
  }
  assert {
    condition     = length(module.network.default_group.ingress) == 0 && length(module.network.default_group.egress) == 0
    error_message = "the default security group lets something in or out"
  }
}

run "the_host_is_hardened" {
  command = plan

  assert {
    condition     = local.host.metadata_options[0].http_tokens == "required" && local.host.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "IMDSv2 is not required"
  }
  assert {
    condition     = local.host.disable_api_termination && local.host.instance_initiated_shutdown_behavior == "stop"
    error_message = "the host can be terminated by mistake"
  }
  assert {
    condition     = length(regexall("(?i)(password|secret|token|private key|AKIA)[^-]*[:=]\\s*\\S", join("\n", [for line in split("\n", local.host.user_data) : line if !startswith(trimspace(line), "#")]))) == 0
    error_message = "the user data, which every process of the host can read, holds something that looks like a secret"
  }
  assert {
    condition     = yamldecode(local.host.user_data).ssh_pwauth == false
    error_message = "the user data is no cloud-config any more, or lets passwords in by SSH"
  }
  assert {
    condition     = one(local.host.network_interface).network_interface_id == module.hosts.interfaces[local.name].id && module.hosts.associations[local.name].network_interface_id == module.hosts.interfaces[local.name].id
    error_message = "the addresses do not belong to the interface, and would go with the host"
  }
}

run "everything_that_is_kept_is_encrypted" {
  command = plan

  assert {
    condition     = local.host.root_block_device[0].encrypted && aws_ebs_volume.data.encrypted
    error_message = "a volume is not encrypted"
  }
  assert {
    condition     = aws_ebs_volume.data.type == "gp3" && aws_volume_attachment.data.volume_id == aws_ebs_volume.data.id && aws_volume_attachment.data.stop_instance_before_detaching
    error_message = "the data volume is not a gp3 volume of its own"
  }
  assert {
    condition     = aws_dlm_lifecycle_policy.data[0].policy_details[0].target_tags.Snapshots == aws_ebs_volume.data.tags.Snapshots && aws_dlm_lifecycle_policy.data[0].policy_details[0].schedule[0].retain_rule[0].count == 14
    error_message = "the data volume is not among what is snapshotted"
  }
}

run "backups_go_to_a_closed_bucket" {
  command = plan

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.backups[0].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256" && aws_s3_bucket_versioning.backups[0].versioning_configuration[0].status == "Enabled"
    error_message = "the bucket is not encrypted, or keeps no versions"
  }
  assert {
    condition     = alltrue([for closed in [aws_s3_bucket_public_access_block.backups[0]] : closed.block_public_acls && closed.block_public_policy && closed.ignore_public_acls && closed.restrict_public_buckets]) && aws_s3_bucket_ownership_controls.backups[0].rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "the bucket can be opened to the public, or objects in it belong to whoever adds them"
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.backups[0].policy).Statement == [{ Sid = "HttpsAlone", Effect = "Deny", Principal = "*", Action = "s3:*", Resource = ["arn:aws:s3:::sarangbang-mock", "arn:aws:s3:::sarangbang-mock/*"], Condition = { Bool = { "aws:SecureTransport" = "false" } } }]
    error_message = "the bucket answers plain HTTP"
  }
  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.backups[0].rule : rule.expiration[0].days == 35 && rule.noncurrent_version_expiration[0].noncurrent_days == 35 && rule.abort_incomplete_multipart_upload[0].days_after_initiation == 2 && rule.status == "Enabled"])
    error_message = "backups, their older versions or parts of them stay for ever"
  }
  assert {
    condition     = !aws_s3_bucket.backups[0].force_destroy && output.backup_bucket == "sarangbang-mock" && output.backup_bucket_region == "eu-central-1"
    error_message = "the bucket goes with what is in it, or Ansible is not told of it"
  }
}

run "the_host_may_add_backups_and_nothing_else" {
  command = plan

  assert {
    condition     = jsondecode(aws_iam_role_policy.backups[0].policy).Statement == [{ Sid = "AddBackups", Effect = "Allow", Action = "s3:PutObject", Resource = "arn:aws:s3:::sarangbang-mock/sarangbang/*" }]
    error_message = "the host has other rights than to add backups"
  }
}

run "without_the_bucket_the_host_has_no_rights" {
  command = plan
  variables {
    backup_bucket = false
  }
  assert {
    condition     = length(aws_s3_bucket.backups) == 0 && length(aws_iam_role_policy.backups) == 0 && output.backup_bucket == null
    error_message = "something of the bucket is there although it was not wanted"
  }
}

run "a_domain_that_is_short_and_has_no_dash_is_the_name" {
  command = plan
  assert {
    condition     = local.name == "sarangbang-chat-example-com" && output.name == local.name
    error_message = "everything is called ${local.name}"
  }
}

run "a_domain_of_60_characters_gives_names_that_aws_takes" {
  command = plan
  variables {
    domain = "chat.of-the-department-of-applied-hospitality.u7.example.com"
  }
  assert {
    condition     = local.name == "sarangbang-chat-of-the-depa-${substr(sha256(var.domain), 0, 8)}"
    error_message = "everything is called ${local.name}"
  }
  assert {
    # S3's names have at most 63 characters, of which Terraform adds 26.
    condition     = aws_s3_bucket.backups[0].bucket_prefix == "${local.name}-" && length(aws_s3_bucket.backups[0].bucket_prefix) <= 37
    error_message = "the beginning of the bucket's name is ${aws_s3_bucket.backups[0].bucket_prefix}"
  }
  assert {
    condition     = alltrue([for name in [module.hosts.role.name, module.hosts.role.profile, aws_iam_role.snapshots[0].name] : length(name) <= 64])
    error_message = "IAM takes no name of more than 64 characters"
  }
}

run "the_longest_domain_gives_names_that_aws_takes" {
  command = plan
  variables {
    domain = "${join(".", [for letter in ["a", "b", "c"] : join("", [for _ in range(62) : letter])])}.${join("", [for _ in range(52) : "d"])}.example.com"
  }
  assert {
    condition     = length(var.domain) == 253 && length(local.name) == 36 && can(regex("^sarangbang-a+-[0-9a-f]{8}$", local.name))
    error_message = "everything is called ${local.name}, for a domain of ${length(var.domain)} characters"
  }
  assert {
    condition     = alltrue([for name in [module.hosts.role.name, module.hosts.role.profile, aws_iam_role.snapshots[0].name] : length(name) <= 64]) && length(aws_s3_bucket.backups[0].bucket_prefix) == 37
    error_message = "a name is too long for AWS"
  }
  assert {
    # 255 of an interface, 500 of a lifecycle policy, 1,000 of a role, 1,024 of an alarm, 256 in a tag.
    condition     = alltrue([for interface in module.hosts.interfaces : length(interface.description) <= 255]) && length(aws_dlm_lifecycle_policy.data[0].description) <= 500 && length(aws_iam_role.snapshots[0].description) <= 1000 && alltrue([for alarm in module.alarms.checks : length(alarm.alarm_description) <= 1024 && length(alarm.alarm_name) <= 255])
    error_message = "a description is too long for AWS"
  }
}

run "domains_that_differ_by_a_dash_have_different_names" {
  command = plan
  variables {
    domain = "chat-example.com"
  }
  assert {
    condition     = startswith(local.name, "sarangbang-chat-example-com-") && local.name != "sarangbang-chat-example-com"
    error_message = "chat-example.com and chat.example.com are both called ${local.name}"
  }
}

run "a_domain_in_hangul_has_no_two_dashes_in_a_row" {
  command = plan
  variables {
    domain = "xn--9i1bq3fpzi.example.com"
  }
  assert {
    # ElastiCache takes none in what it calls things.
    condition     = can(regex("^sarangbang-xn-9i1bq3fpzi-ex-[0-9a-f]{8}$", local.name))
    error_message = "everything is called ${local.name}"
  }
}

run "a_domain_has_at_most_253_characters" {
  command = plan
  variables {
    domain = "${join(".", [for letter in ["a", "b", "c"] : join("", [for _ in range(62) : letter])])}.${join("", [for _ in range(53) : "d"])}.example.com"
  }
  expect_failures = [var.domain]
}

run "backups_do_not_expire_within_days" {
  command = plan
  variables {
    backup_bucket_days = 1
  }
  expect_failures = [var.backup_bucket_days]
}

run "alarms_recover_and_reboot" {
  command = plan

  variables {
    alarm_email = "me@example.com"
  }
  assert {
    condition     = contains(module.alarms.checks["${local.name}-recover"].alarm_actions, "arn:aws:automate:eu-central-1:ec2:recover") && module.alarms.checks["${local.name}-recover"].metric_name == "StatusCheckFailed_System"
    error_message = "a host on broken hardware is not recovered"
  }
  assert {
    condition     = contains(module.alarms.checks["${local.name}-reboot"].alarm_actions, "arn:aws:automate:eu-central-1:ec2:reboot") && module.alarms.checks["${local.name}-reboot"].metric_name == "StatusCheckFailed_Instance"
    error_message = "a host that hangs is not rebooted"
  }
  assert {
    condition     = length(module.alarms.topics) == 1 && alltrue([for alarm in module.alarms.checks : contains(alarm.alarm_actions, module.alarms.topics[0]) && contains(alarm.ok_actions, module.alarms.topics[0])])
    error_message = "an alarm writes to nobody"
  }
}

run "architecture_picks_the_processor" {
  command = plan
  variables {
    architecture = "arm64"
  }
  assert {
    condition     = local.host.instance_type == "t4g.small" && module.hosts.image_owners == tolist(["136693071363"])
    error_message = "arm64 is no Graviton with Debian's own image"
  }
}

run "ssh_can_come_by_an_endpoint_with_port_22_closed" {
  command = plan
  variables {
    instance_connect_endpoint = true
  }
  assert {
    condition     = [for rule in module.firewall.inbound : rule if startswith(rule, "tcp 22 ")] == ["tcp 22 from ${module.ssh_endpoint[0].group_id}"]
    error_message = "SSH comes from elsewhere than the endpoint: ${join(", ", module.firewall.inbound)}"
  }
  assert {
    condition     = tolist(module.ssh_endpoint[0].outbound) == tolist(["tcp 22 to ${module.firewall.id}"])
    error_message = "the endpoint leads elsewhere than to the host's SSH"
  }
}

run "ssh_can_come_from_named_networks" {
  command = plan
  variables {
    admin_cidrs = ["203.0.113.7/32", "2001:db8:1::/48"]
  }
  assert {
    condition     = [for rule in module.firewall.inbound : rule if startswith(rule, "tcp 22 ")] == ["tcp 22 from 2001:db8:1::/48", "tcp 22 from 203.0.113.7/32"]
    error_message = "SSH is not open to those networks alone: ${join(", ", module.firewall.inbound)}"
  }
}

run "records_are_made_where_there_is_a_zone" {
  command = plan

  variables {
    route53_zone_id = "Z0123456789"
  }
  assert {
    condition     = aws_route53_record.ipv4[0].records == toset(["192.0.2.7"]) && aws_route53_record.ipv6[0].records == toset(["2001:db8:77::7"]) && length(output.records) == 0
    error_message = "the domain does not lead to the host"
  }
}

run "ssh_is_not_opened_to_the_whole_internet" {
  command = plan
  variables {
    admin_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.admin_cidrs]
}

run "ssh_is_not_opened_to_the_whole_internet_of_ipv6" {
  command = plan
  variables {
    admin_cidrs = ["203.0.113.7/32", "::/0"]
  }
  expect_failures = [var.admin_cidrs]
}

run "ssh_is_not_opened_to_the_whole_internet_in_two_halves" {
  command = plan
  variables {
    admin_cidrs = ["0.0.0.0/1", "128.0.0.0/1"]
  }
  expect_failures = [var.admin_cidrs]
}

run "a_network_has_to_be_one" {
  command = plan
  variables {
    admin_cidrs = ["203.0.113.7"]
  }
  expect_failures = [var.admin_cidrs]
}

run "a_domain_is_no_address_of_a_page" {
  command = plan
  variables {
    domain = "https://chat.example.com/"
  }
  expect_failures = [var.domain]
}

run "a_type_has_to_fit_the_processor" {
  command = plan
  variables {
    architecture  = "arm64"
    instance_type = "t3.small"
  }
  expect_failures = [var.instance_type]
}

run "a_private_key_is_refused" {
  command = plan
  variables {
    ssh_public_key = "-----BEGIN OPENSSH PRIVATE KEY-----"
  }
  expect_failures = [var.ssh_public_key]
}
