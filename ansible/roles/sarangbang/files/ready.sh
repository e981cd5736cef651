# Whether the process of the service is of $RELEASE (empty: of any) and ready. Exit code 0, or 1 with what stands against it.
# shellcheck shell=sh
main=$(systemctl show -P MainPID sarangbang.service)
runs=$(readlink "/proc/$main/exe") || { echo "the service is not running: journalctl -u sarangbang -n 50"; exit 1; }
[ -z "$RELEASE" ] || [ "$runs" = "$(readlink -e "$RELEASE/sarangbang")" ] || { echo "$runs runs, not $RELEASE/sarangbang"; exit 1; }
[ "$OPERATOR" != off ] || exit 0
exec python3 - "http://$OPERATOR/readyz" <<'END'
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=5)
except urllib.error.HTTPError as answer:
    sys.exit("it is not ready: " + answer.read().decode())
except OSError as cause:
    sys.exit(f"{sys.argv[1]} does not answer: {cause}")
END
