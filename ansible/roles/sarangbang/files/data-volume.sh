# Mounts the volume with the id $VOLUME (vol-0123...) at /var/lib/sarangbang, now and with each start of the host. A blank
# one gets a file system; one with anything on it is never formatted, and one with files of somebody else is not taken. Says
# what it changed, or nothing; with LOOK=yes it only says what it would change. Nothing is changed before all was looked at.
# shellcheck shell=sh
place=/var/lib/sarangbang
stop() {
  echo "$1. Fix: $2" >&2
  exit 1
}
device=
for found in /dev/disk/by-id/*"$(echo "$VOLUME" | tr -d -)"; do
  [ ! -e "$found" ] || device=$found
done
[ -n "$device" ] || stop "there is no volume $VOLUME on this host" "attach it (terraform apply), then run this again"
# What is mounted there is this volume, or another one that must not be hidden.
if mountpoint -q "$place"; then
  [ "$(stat -c %t:%T "$(realpath "$device")")" = "$(stat -c %t:%T "$(findmnt -no SOURCE "$place")" 2>/dev/null)" ] ||
    stop "$(findmnt -no SOURCE "$place") is mounted at $place, and not $VOLUME ($device)" "unmount it, or name its volume"
elif [ -n "$(ls -A "$place" 2>/dev/null)" ]; then
  stop "$place holds data already, which the volume would hide" \
    "systemctl stop sarangbang.socket sarangbang.service; mv $place $place.before; run this again, then move what is in there back"
fi
usage=$(blkid -p -s USAGE -o value "$device")
case $usage in
  filesystem)
    if ! mountpoint -q "$place"; then
      peek=$(mktemp -d) || exit 1
      mount -o ro,nosuid,nodev,noexec "$device" "$peek" || stop "$device cannot be mounted" "fsck $device, or another volume"
      # A volume that comes out of a snapshot has the data of the host before.
      theirs=$(find "$peek" -mindepth 1 -maxdepth 1 ! -name lost+found -printf '%f ' | cut -c1-200)
      [ ! -e "$peek/sarangbang.db" ] || theirs=
      umount "$peek" && rmdir "$peek"
      [ -z "$theirs" ] || stop "$device holds files that are not Sarangbang's: $theirs" "another volume, or empty it yourself"
    fi
    ;;
  "")
    # blkid: 2 is "nothing found"; whatever else is on it, a table of partitions above all, is not ours to delete.
    blkid -p "$device" >/dev/null
    [ $? = 2 ] || stop "$device holds something that is no file system" "look at it, and empty it yourself (wipefs)"
    echo "$device: a file system is made"
    if [ "$LOOK" = yes ]; then
      echo "/etc/fstab: $place"
      exit 0
    fi
    mkfs.ext4 -q -L sarangbang "$device" || exit 1
    ;;
  *) stop "$device holds something that is no file system ($usage)" "look at it, and empty it yourself (wipefs)" ;;
esac
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
  [ "$LOOK" = yes ] || { mkdir -p "$place" && mount "$place"; } || exit 1
fi
exit 0
