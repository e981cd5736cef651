# Lets a fresh process of $RELEASE take over from the one that serves, and waits until it has, or until it is known why not:
# the old one has gone on then.
# shellcheck shell=sh
unit=sarangbang.service
main() { systemctl show -P MainPID $unit; }
old=$(main)
if [ "$old" = 0 ]; then
  exec systemctl start $unit
fi
since=$(date '+%F %T')
# The release that runs knows how to ask for it; a new one that is broken could not even do that.
runs=$(readlink "/proc/$old/exe")
place="--config /etc/sarangbang/sarangbang.toml --data /var/lib/sarangbang"
# shellcheck disable=SC2086 # two flags with their values
if ! said=$(runuser -u sarangbang -- "$runs" handover $place 2>&1); then
  echo "$said"
  echo "$unit goes on as process $(main). Its journal says:"
  journalctl -u $unit --since "$since" --no-pager -o cat | tail -n 15
  exit 1
fi
# systemd hears of it at about the same time.
ticks=0
while [ "$ticks" -lt 50 ]; do
  now=$(main)
  if [ "$(readlink "/proc/$now/exe")" = "$(readlink -e "$RELEASE/sarangbang")" ]; then
    echo "process $now has taken over from $old"
    exit 0
  fi
  sleep 0.2
  ticks=$((ticks + 1))
done
echo "process $(main) serves, and is not of $RELEASE: $said"
exit 1
