# Where the host copies each of its backups, so that they outlive it, its volumes and whoever breaks into it: the host may
# add to it, and neither read nor delete. `make destroy` leaves the bucket as it is, but for the rule that lets backups expire.
#
# SSE-S3 encrypts it: AWS's key for KMS would add a fee for each request and rights for two more actions, and a key of one's
# own can be lost with everything that it has encrypted. Whoever reads needs rights in this account either way.
resource "aws_s3_bucket" "backups" {
  # checkov:skip=CKV_AWS_145:SSE-S3 on purpose, as said above.
  # checkov:skip=CKV_AWS_18:Logs of access would need another bucket, for one object a day that a host with one right adds.
  # checkov:skip=CKV_AWS_144:It is the copy itself; one more in another region is the operator's to weigh (docs/OPERATIONS.md).
  # checkov:skip=CKV2_AWS_62:Whether backups arrive is told by the server's own metrics.
  count = var.backup_bucket ? 1 : 0

  # Names of buckets are shared by all of AWS, and one that was left must not be in the way of the next: Terraform adds 26 digits.
  bucket_prefix = "${local.name}-"
  force_destroy = false

  tags = { Name = "${local.name}-backups" }

  lifecycle {
    prevent_destroy = true
    # The domain is part of it, and a bucket cannot be renamed.
    ignore_changes = [bucket_prefix]
  }
}

resource "aws_s3_bucket_public_access_block" "backups" {
  count = var.backup_bucket ? 1 : 0

  bucket                  = aws_s3_bucket.backups[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No lists of rights on objects: whoever adds one does not own it.
resource "aws_s3_bucket_ownership_controls" "backups" {
  count = var.backup_bucket ? 1 : 0

  bucket = aws_s3_bucket.backups[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  # S3 takes one change of a bucket at a time.
  depends_on = [aws_s3_bucket_public_access_block.backups]
}

# The host may add an object under a name that is there already; what was there stays then as an older version.
resource "aws_s3_bucket_versioning" "backups" {
  count = var.backup_bucket ? 1 : 0

  bucket = aws_s3_bucket.backups[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "backups" {
  count = var.backup_bucket ? 1 : 0

  bucket = aws_s3_bucket.backups[0].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "backups" {
  count = var.backup_bucket ? 1 : 0

  bucket = aws_s3_bucket.backups[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "HttpsAlone"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.backups[0].arn, "${aws_s3_bucket.backups[0].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_ownership_controls.backups]
}

resource "aws_s3_bucket_lifecycle_configuration" "backups" {
  count = var.backup_bucket ? 1 : 0

  bucket = aws_s3_bucket.backups[0].id

  rule {
    id     = "old-backups"
    status = "Enabled"

    filter {
      prefix = ""
    }

    # With versions an expired backup is hidden first, and gone when it has been hidden for as long again.
    expiration {
      days = var.backup_bucket_days
    }

    noncurrent_version_expiration {
      noncurrent_days = var.backup_bucket_days
    }

    # Of a host that was killed on the way: such parts cost, and nobody sees them. A backup may take six hours.
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  depends_on = [aws_s3_bucket_versioning.backups]
}
