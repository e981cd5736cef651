# A snapshot of the data volume each day. It is what a power cut leaves: the store recovers from that by itself, as it does
# from `kill -9`. Beside it stand the backups that the host makes (docs/OPERATIONS.md), which are verified.
resource "aws_dlm_lifecycle_policy" "data" {
  count = var.snapshots_kept > 0 ? 1 : 0

  # AWS takes letters, digits, spaces, _ and - here, and no dots.
  description        = "Daily snapshots of the data of ${local.name}"
  execution_role_arn = aws_iam_role.snapshots[0].arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { Snapshots = local.name }

    schedule {
      name      = "daily"
      copy_tags = true

      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["03:17"]
      }

      retain_rule {
        count = var.snapshots_kept
      }

      tags_to_add = { Domain = var.domain }
    }
  }

  tags = { Name = local.name }

  depends_on = [aws_iam_role_policy.snapshots]
}
