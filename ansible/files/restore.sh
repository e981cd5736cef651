# Restores the backup $FROM into an empty folder beside the data, which proves it; only then the service is stopped, the old
# data set aside, and the new put in its place. Whatever fails before leaves the service as it is.
# shellcheck shell=sh
data=/var/lib/sarangbang
fresh=$data/.restored
aside=$data/.before-$(date -u +%Y%m%dT%H%M%SZ)
set -e
cd "$data"
rm -rf "$fresh"
as() { runuser -u sarangbang -- "$@"; }
as mkdir -m 0700 "$fresh"
if ! as /usr/bin/sarangbang restore "$FROM" --config /etc/sarangbang/sarangbang.toml --data "$fresh"; then
  rm -rf "$fresh"
  echo "nothing was changed: the backup cannot be restored" >&2
  exit 1
fi
# The ports too: a connection would start the service again.
systemctl stop sarangbang.socket sarangbang.service
as mkdir -m 0700 "$aside"
find "$data" -mindepth 1 -maxdepth 1 ! -name '.before-*' ! -name .restored ! -name lost+found ! -path "$FROM" -exec mv -t "$aside" {} +
find "$fresh" -mindepth 1 -maxdepth 1 -exec mv -t "$data" {} +
rmdir "$fresh"
rm -f "$FROM"
systemctl start sarangbang.socket sarangbang.service
echo "what was there before is in $aside: delete it when all is well"
