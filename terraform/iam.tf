# All that the host may do on AWS, and without the bucket not even that: whoever breaks into it finds no credentials that read, change or
# delete anything. An upload in parts needs no more; to abort one it would, which the rule above does.
resource "aws_iam_role_policy" "backups" {
  count = var.backup_bucket ? 1 : 0

  name = "backups"
  role = module.hosts.role.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "AddBackups"
      Effect   = "Allow"
      Action   = "s3:PutObject"
      Resource = "${aws_s3_bucket.backups[0].arn}/sarangbang/*"
    }]
  })
}

# Who makes the snapshots. It may snapshot the volumes of this service and delete snapshots of it.
resource "aws_iam_role" "snapshots" {
  count = var.snapshots_kept > 0 ? 1 : 0

  name        = "${local.name}-snapshots"
  description = "Daily snapshots of the data of ${var.domain}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "dlm.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "snapshots" {
  count = var.snapshots_kept > 0 ? 1 : 0

  name = "snapshots"
  role = aws_iam_role.snapshots[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Look"
        Effect   = "Allow"
        Action   = ["ec2:DescribeVolumes", "ec2:DescribeSnapshots", "ec2:DescribeTags"]
        Resource = "*"
      },
      {
        Sid       = "OfThisVolume"
        Effect    = "Allow"
        Action    = "ec2:CreateSnapshot"
        Resource  = "arn:${data.aws_partition.current.partition}:ec2:*:${data.aws_caller_identity.current.account_id}:volume/*"
        Condition = { StringEquals = { "aws:ResourceTag/Domain" = var.domain } }
      },
      {
        Sid      = "NewSnapshots"
        Effect   = "Allow"
        Action   = "ec2:CreateSnapshot"
        Resource = "arn:${data.aws_partition.current.partition}:ec2:*::snapshot/*"
      },
      {
        Sid      = "TheirTags"
        Effect   = "Allow"
        Action   = "ec2:CreateTags"
        Resource = "arn:${data.aws_partition.current.partition}:ec2:*::snapshot/*"
      },
      {
        Sid       = "OldSnapshots"
        Effect    = "Allow"
        Action    = "ec2:DeleteSnapshot"
        Resource  = "arn:${data.aws_partition.current.partition}:ec2:*::snapshot/*"
        Condition = { StringEquals = { "aws:ResourceTag/Domain" = var.domain } }
      },
    ]
  })
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}
