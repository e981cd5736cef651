# Everything that is kept. It outlives the host: Ansible finds it by its id, as /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_
# and the id without its dash, and mounts it on /var/lib/sarangbang with nofail.
resource "aws_ebs_volume" "data" {
  # checkov:skip=CKV_AWS_189:The account's own key for EBS encrypts it; a key of one's own is a key that can be lost with all the data.
  availability_zone = module.network.subnets["host"].availability_zone
  type              = "gp3"
  size              = var.data_volume_gib
  encrypted         = true
  snapshot_id       = var.data_snapshot_id

  tags = {
    Name      = "${local.name}-data"
    Snapshots = local.name
  }

  lifecycle {
    prevent_destroy = true
    # The snapshot counts when the volume is made; the zone is that of the volume for ever.
    ignore_changes = [snapshot_id, availability_zone]
  }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = local.host.id

  # A host that goes is stopped first: its last writes are on the volume then.
  stop_instance_before_detaching = true
}
