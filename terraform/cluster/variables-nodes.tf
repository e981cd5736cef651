variable "node_count" {
  type        = number
  default     = 2
  description = "How many nodes there are, spread over two zones."

  validation {
    condition     = var.node_count >= 2 && var.node_count <= 9 && floor(var.node_count) == var.node_count
    error_message = "node_count is a whole number from 2 to 9: one node is what terraform/ is for, and Redis carries no more than a few (docs/PERFORMANCE.md)."
  }
}

variable "cache_node_type" {
  type        = string
  default     = null
  description = "The size of ElastiCache; null is cache.t4g.small (1.37 GiB). Everything that is kept has to fit into its memory."

  validation {
    condition     = var.cache_node_type == null ? true : startswith(var.cache_node_type, "cache.")
    error_message = "cache_node_type begins with cache., for example cache.m7g.large."
  }
}

variable "redis_user_id" {
  type        = string
  description = "The id of the ElastiCache user whose name is sarangbang. `make deploy` makes it before, with its password: as a resource here the password would stand in the state."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.redis_user_id))
    error_message = "redis_user_id is at most 40 small letters, digits and dashes, and begins with a letter."
  }
}

variable "snapshots_kept" {
  type        = number
  default     = 14
  description = "Daily snapshots of ElastiCache that are kept; 0 makes none."

  validation {
    condition     = var.snapshots_kept >= 0 && var.snapshots_kept <= 35 && floor(var.snapshots_kept) == var.snapshots_kept
    error_message = "snapshots_kept is a whole number from 0 to 35, the most days that ElastiCache keeps one."
  }
}

variable "deletion_protection" {
  type        = bool
  default     = true
  description = "Whether AWS refuses to delete the load balancer. `make destroy` turns it off first."
}

variable "final_snapshot" {
  type        = string
  default     = null
  description = "What ElastiCache's last snapshot is called; null is the name of everything with -final. `make destroy` gives it the time, as ElastiCache does not delete a store whose last snapshot would have the name of another."
}

variable "store_snapshot" {
  type        = string
  default     = null
  description = "A snapshot of ElastiCache from which the store is made, the first time: the one that `make destroy` left, for example."
}
