#!/bin/sh
# A host of a test's own: namespaces of its own for mounts, processes and the network, in which a real server runs on
# ports 443 and 80 of 203.0.113.7, on a volume of its own. What stands in BEFORE happens before the server starts, what
# stands in AFTER while it runs; then `doctor --json` is printed, or what stands in VERB.
set -eu
house=$1 root=$1/root data=/var/lib/sarangbang
export PATH="$house/bin:$PATH"

ip link set lo up
ip address add 203.0.113.7/32 dev lo
# Nothing but the host itself knows names here, and nothing leaves.
for file in hosts nsswitch.conf resolv.conf; do
  [ ! -e "/etc/$file" ] || mount --bind "$house/etc/$file" "/etc/$file"
done
mount -t tmpfs -o mode=755 none /var/lib
mkdir -m 700 "$data"

# What can be changed before the volume is mounted.
size=2g inodes=20000 has_volume=yes arguments=

# unit NAME PROPERTY VALUE: systemd says so of this unit.
unit() { sed -i "s|^$2=.*|$2=$3|" "$house/units/$1"; }
# kernel NAME VALUE: the kernel says so in /proc/sys.
kernel() { echo "$2" >"$root/proc/sys/$1"; }
# key LINE: one more line of the configuration, which counts for the whole.
key() { printf '%s\n%s\n' "$1" "$(cat "$house/sarangbang.toml")" >"$house/sarangbang.toml.new" && mv "$house/sarangbang.toml.new" "$house/sarangbang.toml"; }
# certificate NAME: this pair is the server's.
certificate() { cp -p "$house/pairs/$1.cert.pem" "$house/cert.pem" && cp -p "$house/pairs/$1.key.pem" "$house/key.pem"; }
# A second host, at the other end of a cable: cloud.py runs there, which says what else it is.
cloud() {
  mkfifo "$house/cloud" "$house/plugged"
  # shellcheck disable=SC2016 # the inner shell is to expand it
  unshare --net sh -c 'echo $$ >"$0/cloud.pid"; exec 3<"$0/plugged"; read -r _ <&3; ip link set lo up; ip link set far up
    ip address add 10.9.0.1/24 dev far; for ip in 169.254.169.254 198.51.100.20; do ip address add $ip/32 dev lo; done
    exec python3 "$1" "$2" >"$0/cloud"' "$house" "$TESTS/cloud.py" "$1" &
  while [ ! -s "$house/cloud.pid" ]; do :; done
  ip link add near type veth peer name far netns "$(cat "$house/cloud.pid")"
  ip address add 10.9.0.2/24 dev near && ip link set near up
  ip route add default via 10.9.0.1
  echo go >"$house/plugged"
  read -r _ <"$house/cloud"
}
# EC2 as it is: the instance's public address is one that it does not have, and leads to it.
ec2() {
  echo "Amazon EC2" >"$root/sys/class/dmi/id/sys_vendor"
  echo "198.51.100.20 chat.example.com" >"$house/etc/hosts"
  cloud "$1"
}
serve() {
  rm -f "$house/ready" && mkfifo "$house/ready"
  # shellcheck disable=SC2086 # several words, or none
  "$house/bin/sarangbang" serve --config "$house/sarangbang.toml" $arguments 2>>"$house/log" >"$house/ready" &
  echo $! >"$house/pid"
  exec 3<"$house/ready"
  read -r _ <&3 || { cat "$house/log" >&2; exit 90; }
}
# stop: the server, for good.
stop() { kill "$(cat "$house/pid")" && wait "$(cat "$house/pid")" || true; }

eval "$BEFORE"
[ "$has_volume" = no ] || mount -t tmpfs -o "size=$size,nr_inodes=$inodes,mode=700" /dev/vdb "$data"
cp -a "$house/template/." "$data/"
serve
[ -e "$root/proc/self/mountinfo" ] || { mkdir -p "$root/proc/self" && cat /proc/self/mountinfo >"$root/proc/self/mountinfo"; }
eval "$AFTER"
# Nobody in a test may wait for this host without an end.
timeout 60 "$house/bin/sarangbang" doctor --root "$root" --json --config "$house/sarangbang.toml" || [ $? -le 2 ]
