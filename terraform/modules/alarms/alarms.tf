data "aws_region" "current" {}

data "aws_partition" "current" {}

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
  for_each = { for pair in setproduct(keys(var.instances), keys(local.checks)) : "${pair[0]}-${pair[1]}" => { host = pair[0], action = pair[1] } }

  alarm_name          = each.key
  alarm_description   = "A host of ${var.domain}: ${local.checks[each.value.action].meaning}. AWS does by itself: ${each.value.action}."
  namespace           = "AWS/EC2"
  metric_name         = local.checks[each.value.action].metric
  dimensions          = { InstanceId = var.instances[each.value.host] }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = local.checks[each.value.action].minutes
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  # A host that was stopped on purpose gives no figures, and must not be started again.
  treat_missing_data = "notBreaching"

  alarm_actions = concat(
    ["arn:${data.aws_partition.current.partition}:automate:${data.aws_region.current.name}:ec2:${each.value.action}"],
    aws_sns_topic.alarms[*].arn,
  )
  ok_actions = aws_sns_topic.alarms[*].arn
}

resource "aws_sns_topic" "alarms" {
  # checkov:skip=CKV_AWS_26:CloudWatch cannot write to a topic that AWS's own key encrypts, and what it writes (that a host is down) is no secret.
  count = var.email == null ? 0 : 1

  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  count = var.email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = var.email
}
