output "topics" {
  description = "Where alarms are written to: one topic, or none."
  value       = aws_sns_topic.alarms[*].arn
}

output "checks" {
  description = "The alarms, by the names of the hosts with what AWS does then."
  value       = aws_cloudwatch_metric_alarm.check
}
