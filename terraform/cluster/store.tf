resource "aws_elasticache_subnet_group" "store" {
  name        = local.name
  description = "The store of ${local.name}"
  subnet_ids  = local.store_subnets[*].id
}

resource "aws_elasticache_parameter_group" "store" {
  name        = local.name
  family      = "valkey8"
  description = "The store of ${local.name}: nothing is dropped when the memory is full"

  # The server refuses a store that drops rooms.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# Who may come in: one user, by a password, to the keys of this service alone. Nobody is "default" here.
resource "aws_elasticache_user_group" "store" {
  engine        = "valkey"
  user_group_id = local.name
  user_ids      = [var.redis_user_id]
}

resource "aws_elasticache_replication_group" "store" {
  # checkov:skip=CKV_AWS_191:The account's own key encrypts it; a key of one's own is a key that can be lost with all the data.
  # checkov:skip=CKV_AWS_31:It has a user group with a password, which takes the place of one token for everybody and stays out of the state.
  replication_group_id = local.name
  description          = "The store of ${local.name}"

  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = coalesce(var.cache_node_type, "cache.t4g.small")
  parameter_group_name = aws_elasticache_parameter_group.store.name
  port                 = 6379

  # One that writes and one that follows, in two zones.
  num_cache_clusters         = 2
  multi_az_enabled           = true
  automatic_failover_enabled = true

  subnet_group_name  = aws_elasticache_subnet_group.store.name
  security_group_ids = [module.store_firewall.id_with_rules]
  user_group_ids     = [aws_elasticache_user_group.store.user_group_id]

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true

  snapshot_name = var.store_snapshot

  # ElastiCache has no append-only file: what both lose together is in no place but a snapshot. It makes a last one before it
  # goes, and does not go when it cannot.
  snapshot_retention_limit  = var.snapshots_kept
  snapshot_window           = "03:00-04:00"
  maintenance_window        = "sun:04:30-sun:05:30"
  final_snapshot_identifier = coalesce(var.final_snapshot, "${local.name}-final")

  auto_minor_version_upgrade = true

  tags = { Name = local.name }

  lifecycle {
    # The snapshot counts when the store is made.
    ignore_changes = [snapshot_name]
  }
}
