# Looks at a host and changes nothing. A line of output "problem ..." is something that is in the way, with its fix;
# "missing NAME" is a package that is not installed, "store URL" the Redis of its configuration. In: DOMAINS, ADDRESSES (space-separated), MIB_MIN, RELEASE, SHA256,
# BINARY, PACKAGES.
# shellcheck shell=sh
problem() { echo "problem $*"; }

[ "$(id -u)" = 0 ] || problem "the user $(id -un) may not become root. Fix: an account with sudo (-u NAME, -K for its password)."

version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
[ "${version:-0}" -ge 252 ] || problem "systemd is ${version:-not there}; the service needs 252. Fix: a host with Debian 12 or Ubuntu 24.04, or later."

if [ "$(dpkg-query -W -f '${db:Status-Status}' sarangbang 2>/dev/null)" = installed ]; then
  problem "the Debian package sarangbang is installed here, and this role would fight with it." \
    "Fix: apt-get remove sarangbang (not purge: the data and the configuration stay, and are taken over), then run this again;" \
    "or go on with the package alone (apt-get install ./sarangbang_*.deb)."
fi

# The ports. They are ours when our socket unit holds them.
if ! systemctl is-active --quiet sarangbang.socket; then
  for port in 443 80; do
    holder=$(ss -Hltnp "sport = :$port" | sed -n 's/.*users:((\(.*\)))$/\1/p' | head -n 1)
    if [ -n "$(ss -Hltn "sport = :$port")" ]; then
      problem "port $port is taken by ${holder:-a process that cannot be seen}." \
        "Fix: stop it for good (systemctl disable --now NAME), or put Sarangbang on another host."
    fi
  done
fi

# Room, where the data will be and where the programs are.
for place in /var/lib/sarangbang /opt/sarangbang; do
  there=$place
  while [ ! -d "$there" ]; do there=$(dirname "$there"); done
  free=$(df --output=avail -BM "$there" | tail -n 1 | tr -dc 0-9)
  case $place in /opt/*) least=200 ;; *) least=$MIB_MIN ;; esac
  [ "$free" -ge "$least" ] || problem "$there has $free MiB free, and $place needs $least." \
    "Fix: a larger disk (docs/OPERATIONS.md), or fewer files there; sarangbang_disk_mib_min is the bound."
done

# A release is never changed: who goes back to it has to get what served then.
if [ -e "$RELEASE/sarangbang" ]; then
  is=$(sha256sum "$RELEASE/sarangbang" | cut -d ' ' -f 1)
  if [ -n "$SHA256" ] && [ "$is" != "$SHA256" ]; then
    problem "$RELEASE is here already with another content ($is). Fix: another sarangbang_version for the new one."
  fi
elif [ -z "$BINARY" ]; then
  # shellcheck disable=SC2012 # names of releases have no spaces
  problem "$RELEASE is not on this host, and no sarangbang_binary was given." \
    "Fix: give sarangbang_binary and sarangbang_sha256, or one of these as sarangbang_version: $(ls /opt/sarangbang/releases 2>/dev/null | tr '\n' ' ')"
fi

# The names have to lead here, each of their addresses: the certificate authority asks any of them.
ours=" $ADDRESSES $(ip -o address show | awk '{ sub("/.*", "", $4); print $4 }' | tr '\n' ' ') "
for name in $DOMAINS; do
  found=$(getent ahosts "$name" | awk '{ print $1 }' | sort -u)
  [ -n "$found" ] || problem "$name has no address. Fix: a DNS record A (and AAAA) for it that says one of:$ours"
  for address in $found; do
    case $ours in
      *" $address "*) ;;
      *) problem "$name leads to $address, which is not this host ($ours)." \
        "Fix: correct its DNS record, wait until its old one has run out, and run this again;" \
        "where a router or a load balancer has that address, name it in sarangbang_public_addresses." ;;
    esac
  done
done

# Which Redis is written down now: another store is not handed over to.
sed -n '/^\[redis\]/,$s/^url = /store /p' /etc/sarangbang/sarangbang.toml 2>/dev/null

for package in $PACKAGES; do
  # The command of AWS may have come without Debian's package; Ubuntu 24.04 has none.
  if [ "$package" = awscli ]; then
    command -v aws >/dev/null && continue
    if [ "$(. /etc/os-release && echo "$ID")" = ubuntu ]; then
      problem "there is no aws command here for the bucket of backups, and Ubuntu has no package of it." \
        "Fix: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html, then run this again."
      continue
    fi
  fi
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "missing $package"
done
exit 0
