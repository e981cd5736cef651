data "aws_region" "current" {}

locals {
  # The checks of AWS, and what AWS does by itself when one fails for so many minutes: a host whose hardware is broken is
  # moved to another ("recover", with its addresses and volumes); one that does not answer on the network is rebooted.
  # The reboot comes later than the recovery may take, so that the two never meet.
  checks = {
    recover = { metric = "StatusCheckFailed_System", minutes = 2, meaning = "the hardware below it fails" }
    reboot  = { metric = "StatusCheckFailed_Instance", minutes = 5, meaning = "the system does not answer" }
  }
}

resource "aws_cloudwatch_metric_alarm" "check" {
  for_each = { for pair in setproduct(keys(local.nodes), keys(local.checks)) : "${pair[0]}-${pair[1]}" => pair }

  alarm_name          = each.key
  alarm_description   = "A node of ${var.domain}: ${local.checks[each.value[1]].meaning}. AWS does by itself: ${each.value[1]}."
  namespace           = "AWS/EC2"
  metric_name         = local.checks[each.value[1]].metric
  dimensions          = { InstanceId = aws_instance.node[each.value[0]].id }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = local.checks[each.value[1]].minutes
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  # A host that was stopped on purpose gives no figures, and must not be started again.
  treat_missing_data = "notBreaching"

  alarm_actions = concat(
    ["arn:${data.aws_partition.current.partition}:automate:${data.aws_region.current.name}:ec2:${each.value[1]}"],
    aws_sns_topic.alarms[*].arn,
  )
  ok_actions = aws_sns_topic.alarms[*].arn
}

# Everything is in memory: above three quarters of it there is a choice to be made (docs/OPERATIONS.md, "Several nodes").
resource "aws_cloudwatch_metric_alarm" "memory" {
  for_each = toset(["001", "002"])

  alarm_name          = "${local.name}-memory-${each.value}"
  alarm_description   = "The store of ${var.domain} is three quarters full. When it is full, nothing more can be said."
  namespace           = "AWS/ElastiCache"
  metric_name         = "DatabaseMemoryUsagePercentage"
  dimensions          = { CacheClusterId = "${aws_elasticache_replication_group.store.replication_group_id}-${each.value}" }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  threshold           = 75
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "missing"
  alarm_actions       = aws_sns_topic.alarms[*].arn
  ok_actions          = aws_sns_topic.alarms[*].arn
}

data "aws_partition" "current" {}

resource "aws_sns_topic" "alarms" {
  # checkov:skip=CKV_AWS_26:CloudWatch cannot write to a topic that AWS's own key encrypts, and what it writes (that a host is down) is no secret.
  count = var.alarm_email == null ? 0 : 1

  name = "${local.name}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = var.alarm_email
}
