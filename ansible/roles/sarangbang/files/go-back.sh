# Makes the last healthy release the current one again, where that is another one than $RELEASE, and sees that it serves.
# shellcheck shell=sh
root=/opt/sarangbang
healthy=$(readlink -e $root/healthy)
if [ -z "$healthy" ] || [ "$healthy" = "$RELEASE" ]; then
  echo "There is no other release to go back to: mend what is said here and in journalctl -u sarangbang -n 50, and run this again."
  exit 1
fi
ln -sfnT "$healthy" $root/current
main=$(systemctl show -P MainPID sarangbang.service)
# Where the healthy one has never stopped serving nothing needs to be done.
if [ "$(readlink "/proc/$main/exe")" != "$healthy/sarangbang" ]; then
  systemctl restart sarangbang.service || exit 1
fi
echo "The release before, $(basename "$healthy"), serves again."
