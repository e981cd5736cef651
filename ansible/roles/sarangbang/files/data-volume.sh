# Mounts the volume with the id $VOLUME (vol-0123...) at /var/lib/sarangbang, now and with each start of the host. A blank
# one gets a file system; one with anything on it is never formatted. Says what it changed, or nothing; with LOOK=yes it only
# says what it would change.
# shellcheck shell=sh
place=/var/lib/sarangbang
device=
for found in /dev/disk/by-id/*"$(echo "$VOLUME" | tr -d -)"; do
  [ ! -e "$found" ] || device=$found
done
if [ -z "$device" ]; then
  echo "there is no volume $VOLUME on this host. Fix: attach it (terraform apply), then run this again" >&2
  exit 1
fi
kind=$(blkid -p -s TYPE -o value "$device")
if [ -z "$kind" ]; then
  # blkid: 2 is "nothing found"; whatever else is on it, a table of partitions above all, is not ours to delete.
  blkid -p "$device" >/dev/null
  [ $? = 2 ] || { echo "$device holds something that is no file system. Fix: look at it, and empty it yourself (wipefs)" >&2; exit 1; }
  echo "$device: a file system is made"
  [ "$LOOK" = yes ] && exit 0
  mkfs.ext4 -q -L sarangbang "$device" || exit 1
fi
line="UUID=$(blkid -p -s UUID -o value "$device") $place auto defaults,noatime,nodev,nosuid,noexec,nofail,x-systemd.device-timeout=60s 0 2"
if ! grep -qxF "$line" /etc/fstab; then
  echo "/etc/fstab: $place"
  if [ "$LOOK" != yes ]; then
    fresh=$(mktemp /etc/fstab.XXXXXX) && awk -v place="$place" '$2 != place' /etc/fstab >"$fresh" && echo "$line" >>"$fresh" || exit 1
    chmod 644 "$fresh" && mv "$fresh" /etc/fstab && systemctl daemon-reload || exit 1
  fi
fi
if ! mountpoint -q "$place"; then
  echo "$place: mounted"
  if [ "$LOOK" != yes ]; then
    [ -z "$(ls -A "$place" 2>/dev/null)" ] || { echo "$place holds data already, which the volume would hide. Fix: move it away first" >&2; exit 1; }
    mkdir -p "$place" && mount "$place" || exit 1
  fi
fi
exit 0
