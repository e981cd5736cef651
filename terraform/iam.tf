# The host needs next to nothing of AWS: its role may add backups to the bucket of bucket.tf, and without that bucket nothing at
# all. Whoever breaks into the host finds no credentials that read, change or delete anything.
resource "aws_iam_role" "host" {
  name        = "${local.name}-host"
  description = "The host of ${var.domain}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "host" {
  name = "${local.name}-host"
  role = aws_iam_role.host.name
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
