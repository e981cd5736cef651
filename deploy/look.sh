# shellcheck shell=bash
# What is looked at before anything is changed. Everything here only reads.
# shellcheck disable=SC2154 # root is deploy's

look_at_input() {
  local name='([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])'
  [[ ${DOMAIN:-} =~ ^$name$ ]] ||
    stop "DOMAIN is \"${DOMAIN:-}\", which is no name of a service" "DOMAIN=chat.example.com, in lower case, without https://"
  # The authority wants an address that can be written to; whether it can, it finds out by itself.
  if [ "${command:?}" = up ]; then
    [[ ${EMAIL:-} =~ ^[^[:space:]@]+@[^[:space:]@]+\.[^[:space:]@]+$ ]] ||
      stop "EMAIL is \"${EMAIL:-}\", which is no mail address" "EMAIL=me@example.com: the certificate's authority writes there"
  fi
  case ${ARCH:=x86_64} in
    x86_64 | arm64) ;;
    *) stop "ARCH is \"$ARCH\"" "ARCH=x86_64 or ARCH=arm64" ;;
  esac
  case ${NODES:=1} in
    [1-9]) ;;
    *) stop "NODES is \"$NODES\"" "NODES=2 to NODES=9; without it there is one host with its own store" ;;
  esac
  if [ -n "${HOST:-}" ] && [ "$NODES" -ne 1 ]; then
    stop "HOST names one host, and NODES=$NODES wants more" "leave one of them away"
  fi
}

# need COMMAND WHERE-IT-COMES-FROM
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$1 ($2)"); }

look_at_tools() {
  local missing=()
  need ssh "Debian: openssh-client"
  need ssh-keygen "Debian: openssh-client"
  need python3 "Debian: python3"
  need ansible-playbook "ansible-core 2.17 or newer: pipx install ansible-core"
  if [ -z "${HOST:-}" ] && [[ $command = up || $command = destroy ]]; then
    need terraform "1.11 or newer: https://developer.hashicorp.com/terraform/install"
    need aws "version 2: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
  fi
  if [ ${#missing[@]} -gt 0 ]; then
    printf -v list '%s; ' "${missing[@]}"
    stop "missing here: ${list%; }" "install what is missing; nothing was changed"
  fi
  # Only version 2 can open the tunnel of an endpoint.
  if [ -z "${HOST:-}" ] && [ "$command" = up ] && [ -z "${ADMIN_CIDRS:-}" ] && [[ $(aws --version 2>&1) != aws-cli/2* ]]; then
    stop "SSH by an EC2 Instance Connect endpoint needs version 2 of the AWS command, and this is $(aws --version 2>&1)" \
      "install version 2, or let SSH in from your own address: ADMIN_CIDRS=203.0.113.7/32"
  fi
}

look_at_credentials() {
  local told
  export AWS_PAGER=
  AWS_REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
  [ -n "$AWS_REGION" ] || stop "no AWS region is named" "AWS_REGION=eu-central-1, or \`aws configure\`"
  export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION
  # Without the time limits it would ask the metadata service of a cloud that this computer is not in.
  if ! told=$(AWS_EC2_METADATA_DISABLED=${AWS_EC2_METADATA_DISABLED:-true} \
    aws sts get-caller-identity --query '[Account,Arn]' --output text --cli-connect-timeout 10 2>&1); then
    stop "AWS does not know who you are: $(tail -n 1 <<<"$told")" \
      "put credentials into the environment (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or \`aws sso login\`"
  fi
  read -r account caller <<<"$told"
  say "AWS account $account as $caller, in $AWS_REGION"
}

# What a name leads to, one address a line.
addresses_of() { { getent ahosts "$1" || true; } | awk '{print $1}' | sort -u; }

# Whether lists of addresses, one a line, have one in common.
meet() { comm -12 <(sort -u <<<"$1") <(sort -u <<<"$2") | grep -q .; }

# A name that leads to somebody else's host would never get a certificate here, and this would only show at the end.
look_at_domain() {
  local there ours
  [ "${DNS:-}" != ignore ] || return 0
  there=$(addresses_of "$DOMAIN")
  if [ -n "${HOST:-}" ]; then
    ours=$(addresses_of "$HOST")
    [ -n "$ours" ] || stop "HOST $HOST has no address" "HOST=203.0.113.7, or a name that leads there"
    [ -n "$there" ] || stop "$DOMAIN leads nowhere" "give it the record: $DOMAIN. A $(head -n 1 <<<"$ours")"
  elif [ -z "$there" ] || [ -n "${ZONE:-}" ]; then
    # Its record comes when the address is known.
    return 0
  else
    ours=$(known_addresses)
  fi
  meet "$there" "$ours" && return 0
  stop "$DOMAIN leads to $(paste -sd ' ' <<<"$there"), and not to ${ours:+$(paste -sd ' ' <<<"$ours"), }this deployment" \
    "take that record away or correct it; DNS=ignore where a proxy stands in front. Nothing was changed"
}

# After the address is known: waits until the name leads there, ten minutes at most.
wait_for_domain() {
  local ours deadline=$((SECONDS + ${DNS_SECONDS:-600}))
  [ "${DNS:-}" != ignore ] || return 0
  ours=$(known_addresses)
  meet "$(addresses_of "$DOMAIN")" "$ours" && return 0
  step "waiting for $DOMAIN to lead here; these records are needed at whoever keeps that domain"
  terraform_output records | python3 -c 'import json, sys; print(*json.load(sys.stdin), sep="\n")' >&2
  until meet "$(addresses_of "$DOMAIN")" "$ours"; do
    [ "$SECONDS" -lt "$deadline" ] ||
      stop "$DOMAIN does not lead to $(paste -sd ' ' <<<"$ours") yet" "make the records, and run this again: it goes on from here"
    sleep 5
    ours=$(known_addresses)
  done
}

# The program that is installed, what it is called, and its sum: binary, version, sum.
find_binary() {
  local machine archive
  if [ -z "${BINARY:-}" ]; then
    archive=$(find "$root/target/dist" -maxdepth 1 -name "sarangbang-*-${ARCH/arm64/aarch64}-*.tar.gz" 2>/dev/null | sort -V | tail -n 1)
    if [ -n "$archive" ]; then
      unpacked=$(mktemp -d)
      trap 'rm -rf "$unpacked"' EXIT
      tar -xzf "$archive" -C "$unpacked"
      BINARY=$(find "$unpacked" -type f -name sarangbang -perm -u+x | head -n 1)
    else
      BINARY=$root/target/release/sarangbang
    fi
  fi
  [ -f "$BINARY" ] || stop "there is no program at $BINARY" "\`make dist\` (or \`make build\`), or BINARY=PATH"
  binary=$(realpath "$BINARY")
  # ELF's e_machine: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
  machine=$(od -An -tu2 -j18 -N2 "$binary" | tr -d ' ')
  case $ARCH-$machine in
    x86_64-62 | arm64-183) ;;
    *) stop "$binary is not a program for $ARCH" "\`make dist\` on a computer that has that target, BINARY=PATH, or another ARCH" ;;
  esac
  version=${VERSION:-$("$binary" --version 2>/dev/null | awk 'NR == 1 {print $2}')}
  # A program for another processor cannot be asked here.
  version=${version:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)}
  [[ $version =~ ^[0-9A-Za-z][0-9A-Za-z._+~-]*$ ]] || stop "VERSION is \"$version\"" "VERSION=1.2.3"
  # shellcheck disable=SC2034 # for hosts.sh
  sum=$(sha256sum "$binary" | cut -d ' ' -f 1)
  say "Sarangbang $version for $ARCH: $binary"
}
