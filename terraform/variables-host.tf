variable "data_volume_gib" {
  type        = number
  default     = 20
  description = "GiB of the volume with everything that is kept. It can grow while the host runs, and never shrink."

  validation {
    condition     = var.data_volume_gib >= 5 && var.data_volume_gib <= 16384
    error_message = "data_volume_gib is 5 to 16384: below 5 an upgrade's snapshot has no room."
  }
}

variable "data_snapshot_id" {
  type        = string
  default     = null
  description = "A snapshot from which the data volume is made, the first time: the one that `make destroy` left, for example."

  validation {
    condition     = var.data_snapshot_id == null ? true : can(regex("^snap-[0-9a-f]+$", var.data_snapshot_id))
    error_message = "data_snapshot_id begins with snap-."
  }
}

variable "snapshots_kept" {
  type        = number
  default     = 14
  description = "Daily snapshots of the data volume that are kept; 0 makes none."

  validation {
    condition     = var.snapshots_kept >= 0 && var.snapshots_kept <= 1000 && floor(var.snapshots_kept) == var.snapshots_kept
    error_message = "snapshots_kept is a whole number from 0 to 1000, the most that AWS keeps of one schedule."
  }
}

variable "backup_bucket" {
  type        = bool
  default     = true
  description = "Whether the host copies its backups into an S3 bucket that is made for them. It costs cents, and survives the host, its volumes and `make destroy`."
}

variable "backup_bucket_days" {
  type        = number
  default     = 35
  description = "Days after which a backup in the bucket expires; for as many more it can be had back as an older version."

  validation {
    condition     = var.backup_bucket_days >= 7 && var.backup_bucket_days <= 3650 && floor(var.backup_bucket_days) == var.backup_bucket_days
    error_message = "backup_bucket_days is a whole number from 7 to 3650: with fewer, a host that fails unnoticed for a week leaves nothing."
  }
}
