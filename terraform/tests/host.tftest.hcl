# What the host has to be, whoever changes it. AWS is not asked: `terraform test` needs the provider's plugin alone.

# Everything is planned and nothing applied, as what is made could not be taken down: the volume is protected from that.
mock_provider "aws" {
  override_during = plan

  mock_resource "aws_vpc" {
    defaults = { ipv6_cidr_block = "2001:db8:77::/56" }
  }
  mock_resource "aws_network_interface" {
    defaults = { ipv6_addresses = ["2001:db8:77::7"] }
  }
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
  mock_resource "aws_eip" {
    defaults = { public_ip = "192.0.2.7" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { id = "sarangbang-mock", bucket = "sarangbang-mock", arn = "arn:aws:s3:::sarangbang-mock", region = "eu-central-1" }
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
}

run "only_web_ports_are_open_to_the_internet" {
  command = plan

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.door : "${coalesce(rule.cidr_ipv4, rule.cidr_ipv6)} ${rule.from_port}-${rule.to_port} ${rule.ip_protocol}"]) == toset(["0.0.0.0/0 80-80 tcp", "0.0.0.0/0 443-443 tcp", "::/0 80-80 tcp", "::/0 443-443 tcp"])
    error_message = "more, or less, than 80 and 443 is open to the internet"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.admin) == 0 && length(aws_vpc_security_group_ingress_rule.endpoint_ssh) == 0 && length(aws_ec2_instance_connect_endpoint.ssh) == 0
    error_message = "SSH is open although nobody asked for it"
  }
  assert {
    condition     = !contains([for rule in aws_vpc_security_group_egress_rule.way_out : rule.ip_protocol], "-1")
    error_message = "the host may reach more than packages, the authority and the time"
  }
  assert {
    condition     = length(aws_default_security_group.empty.ingress) == 0 && length(aws_default_security_group.empty.egress) == 0
    error_message = "the default security group lets something in or out"
  }
}

run "the_host_is_hardened" {
  command = plan

  assert {
    condition     = aws_instance.host.metadata_options[0].http_tokens == "required" && aws_instance.host.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "IMDSv2 is not required"
  }
  assert {
    condition     = aws_instance.host.disable_api_termination && aws_instance.host.instance_initiated_shutdown_behavior == "stop"
    error_message = "the host can be terminated by mistake"
  }
  assert {
    condition     = length(regexall("(?i)(password|secret|token|private key|AKIA)[^-]*[:=]\\s*\\S", join("\n", [for line in split("\n", aws_instance.host.user_data) : line if !startswith(trimspace(line), "#")]))) == 0
    error_message = "the user data, which every process of the host can read, holds something that looks like a secret"
  }
  assert {
    condition     = yamldecode(aws_instance.host.user_data).ssh_pwauth == false
    error_message = "the user data is no cloud-config any more, or lets passwords in by SSH"
  }
  assert {
    condition     = one(aws_instance.host.network_interface).network_interface_id == aws_network_interface.host.id && aws_eip_association.host.network_interface_id == aws_network_interface.host.id
    error_message = "the addresses do not belong to the interface, and would go with the host"
  }
}

run "everything_that_is_kept_is_encrypted" {
  command = plan

  assert {
    condition     = aws_instance.host.root_block_device[0].encrypted && aws_ebs_volume.data.encrypted
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

run "a_long_domain_still_gives_a_name_for_a_bucket" {
  command = plan
  variables {
    domain = "chat.of-a-department.example.com"
  }
  assert {
    # S3's names have at most 63 characters, of which Terraform adds 26.
    condition     = can(regex("^sarangbang-[a-z0-9-]{1,25}-$", aws_s3_bucket.backups[0].bucket_prefix))
    error_message = "the beginning of the bucket's name is ${aws_s3_bucket.backups[0].bucket_prefix}"
  }
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
    condition     = contains(aws_cloudwatch_metric_alarm.check["recover"].alarm_actions, "arn:aws:automate:eu-central-1:ec2:recover") && aws_cloudwatch_metric_alarm.check["recover"].metric_name == "StatusCheckFailed_System"
    error_message = "a host on broken hardware is not recovered"
  }
  assert {
    condition     = contains(aws_cloudwatch_metric_alarm.check["reboot"].alarm_actions, "arn:aws:automate:eu-central-1:ec2:reboot") && aws_cloudwatch_metric_alarm.check["reboot"].metric_name == "StatusCheckFailed_Instance"
    error_message = "a host that hangs is not rebooted"
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.check : contains(alarm.alarm_actions, aws_sns_topic.alarms[0].arn)])
    error_message = "an alarm writes to nobody"
  }
}

run "architecture_picks_the_processor" {
  command = plan
  variables {
    architecture = "arm64"
  }
  assert {
    condition     = aws_instance.host.instance_type == "t4g.small" && data.aws_ami.debian.owners == tolist(["136693071363"])
    error_message = "arm64 is no Graviton with Debian's own image"
  }
}

run "ssh_can_come_by_an_endpoint_with_port_22_closed" {
  command = plan
  variables {
    instance_connect_endpoint = true
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.admin) == 0 && aws_vpc_security_group_ingress_rule.endpoint_ssh[0].cidr_ipv4 == null && aws_vpc_security_group_ingress_rule.endpoint_ssh[0].cidr_ipv6 == null
    error_message = "port 22 is open to a network although the endpoint was asked for"
  }
}

run "ssh_can_come_from_named_networks" {
  command = plan
  variables {
    admin_cidrs = ["203.0.113.7/32", "2001:db8:1::/48"]
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.admin["203.0.113.7/32"].cidr_ipv4 == "203.0.113.7/32" && aws_vpc_security_group_ingress_rule.admin["2001:db8:1::/48"].cidr_ipv6 == "2001:db8:1::/48" && length(aws_vpc_security_group_ingress_rule.admin) == 2
    error_message = "SSH is not open to those networks alone"
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
