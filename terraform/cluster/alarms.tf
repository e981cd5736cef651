module "alarms" {
  source = "../modules/alarms"

  name      = local.name
  domain    = var.domain
  instances = { for name, instance in module.hosts.instances : name => instance.id }
  email     = var.alarm_email
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
  alarm_actions       = module.alarms.topics
  ok_actions          = module.alarms.topics
}
