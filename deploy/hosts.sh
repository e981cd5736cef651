# shellcheck shell=bash
# The part on the hosts: who they are, SSH to them, and Ansible.
# shellcheck disable=SC2154 # root is deploy's, the others look.sh's and aws.sh's

# A host that is there already takes the place of Terraform's.
take_host() {
  say "to $HOST, which is there already; nothing is asked of AWS"
  ssh_key=${SSH_KEY:-}
  given=$(HOST=$HOST DOMAIN=$DOMAIN python3 -c '
import json, os
print(json.dumps({"hosts": {os.environ["DOMAIN"]: {"address": os.environ["HOST"]}}}))')
}

# The inventory as JSON, which Ansible reads as YAML, and an ssh_config that says how each host is reached. The hosts' keys
# stand under the ids of their instances: a host that was replaced is another one, also at the old address.
write_inventory() {
  local outputs=${given:-}
  [ -n "$outputs" ] || outputs=$(terraform -chdir="$module" output -json | python3 -c '
import json, sys
print(json.dumps({name: output["value"] for name, output in json.load(sys.stdin).items()}))')
  REDIS_PASSWORD=${redis_password:-} KEY=${ssh_key:-} USER_=${SSH_USER:-} OUTPUTS=$outputs FOLDER=$folder DOMAIN=$DOMAIN EMAIL=$EMAIL \
    python3 - <<'PY'
import json, os

told = os.environ
outputs = json.loads(told["OUTPUTS"])
folder = told["FOLDER"]
lines, hosts = [], {}
for name, host in outputs["hosts"].items():
    number = host.get("instance_id")
    lines += [
        f"Host {name}",
        f"  HostName {host['address']}",
        # Debian's images have this user; of a host that is there already, ssh's own configuration or SSH_USER knows it.
        *([f"  User {told['USER_'] or 'admin'}"] if told["USER_"] or number else []),
        *([f"  IdentityFile {told['KEY']}", "  IdentitiesOnly yes"] if told["KEY"] else []),
        "  StrictHostKeyChecking yes",
        "  ServerAliveInterval 15",
        "  ConnectTimeout 15",
    ]
    if number:
        lines += [f"  HostKeyAlias {number}", f"  UserKnownHostsFile {folder}/known_hosts", "  GlobalKnownHostsFile /dev/null"]
    if outputs.get("instance_connect_endpoint_id"):
        lines.append(f"  ProxyCommand aws ec2-instance-connect open-tunnel --instance-id {number}")
    hosts[name] = {
        "ansible_ssh_common_args": f"-F {folder}/ssh_config",
        "sarangbang_public_addresses": outputs.get("addresses", []),
        **({"sarangbang_data_volume_id": host["data_volume_id"]} if host.get("data_volume_id") else {}),
    }
if not any(host.get("instance_id") for host in outputs["hosts"].values()):
    lines.append("Include ~/.ssh/config")
variables = {
    "sarangbang_domains": [told["DOMAIN"]],
    "sarangbang_domain": told["DOMAIN"],
    "sarangbang_acme_email": told["EMAIL"],
    # It was looked at from here already, and what stands in front of a host may not be the host.
    "sarangbang_domains_checked": False,
    "sarangbang_settings": outputs.get("settings", {}),
}
# The password goes to Ansible by the environment: what is written down here holds no secret.
if told["REDIS_PASSWORD"]:
    variables["sarangbang_secrets"] = {"redis-password": "{{ lookup('ansible.builtin.env', 'REDIS_PASSWORD') }}"}
if outputs.get("backup_bucket"):
    variables |= {
        "sarangbang_backup_bucket": outputs["backup_bucket"],
        "sarangbang_backup_bucket_region": outputs["backup_bucket_region"],
    }
inventory = {"sarangbang": {"hosts": hosts, "vars": variables}}
for path, text in (("ssh_config", "\n".join(lines) + "\n"), ("inventory.json", json.dumps(inventory, indent=2) + "\n")):
    with open(f"{folder}/{path}.new", "w") as file:
        file.write(text)
    os.rename(f"{folder}/{path}.new", f"{folder}/{path}")
PY
}

host_names() { awk '/^Host / {print $2}' "$folder/ssh_config"; }

first_host() { host_names | head -n 1; }

on() { # on HOST COMMAND...
  local host=$1
  shift
  # Nothing of what we read may go to the host, and nobody is asked for a password.
  ssh -F "$folder/ssh_config" -o BatchMode=yes "$host" "$@" </dev/null
}

# The public key of each host, as the host itself wrote it to its console: AWS gives it to nobody but those with the right,
# over HTTPS. Without it there is no connection. It is read once for each instance.
know_hosts() {
  local name number key deadline
  [ -z "${HOST:-}" ] || return 0
  for name in $(host_names); do
    number=$(awk -v name="$name" '$1 == "Host" {here = $2 == name} here && $1 == "HostKeyAlias" {print $2}' "$folder/ssh_config")
    ssh-keygen -F "$number" -f "$folder/known_hosts" >/dev/null 2>&1 && continue
    step "waiting for the SSH host key of $name on its console"
    deadline=$((SECONDS + ${HOST_KEY_SECONDS:-600}))
    until key=$(key_on_console "$number") && [ -n "$key" ]; do
      [ "$SECONDS" -lt "$deadline" ] ||
        stop "$name ($number) has not written its host key to its console" \
          "see whether it starts: aws ec2 get-console-output --latest --instance-id $number --output text"
      sleep 5
    done
    echo "$number $key" >>"$folder/known_hosts"
  done
}

# The newest block of our own in the console's output, and of it the key; nothing where there is none.
key_on_console() {
  aws ec2 get-console-output --latest --instance-id "$1" --query Output --output text 2>/dev/null | tr -d '\r' |
    awk '/^-----BEGIN SARANGBANG HOST KEYS-----$/ {here = 1; key = ""; next}
      /^-----END SARANGBANG HOST KEYS-----$/ {if (key) last = key; here = 0}
      here && $1 == "ssh-ed25519" && $2 ~ /^[A-Za-z0-9+\/=]+$/ {key = $1 " " $2}
      END {print last}'
}

wait_for_ssh() {
  local name told deadline
  for name in $(host_names); do
    deadline=$((SECONDS + ${SSH_SECONDS:-180}))
    until told=$(on "$name" true 2>&1); do
      case $told in
        *"Host key verification failed"* | *"REMOTE HOST IDENTIFICATION HAS CHANGED"*)
          stop "the host key of $name is not the one that is known, or none is: somebody else may answer there" \
            "${HOST:+connect once by hand (ssh $HOST), comparing the fingerprint with what the host\'s console says}${HOST:-delete its line from $folder/known_hosts if the host was made anew on purpose}"
          ;;
        *"Permission denied"*)
          stop "$name lets us not in: $(tail -n 1 <<<"$told")" "SSH_USER=name and SSH_KEY=PATH of whom the host knows; with sudo there"
          ;;
      esac
      [ "$SECONDS" -lt "$deadline" ] ||
        stop "$name cannot be reached by SSH: $(tail -n 1 <<<"$told")" \
          "is it on, and does it let SSH in from here (ADMIN_CIDRS=your-address/32)? Run this again then: it goes on from here"
      sleep 5
    done
  done
}

# Whether a host runs a release that is another one than this; which it is stands in `running`.
runs_another_release() {
  local name link
  for name in $(host_names); do
    link=$(on "$name" readlink /opt/sarangbang/current || true)
    running=$(basename "$link")
    [ -z "$link" ] || [ "$running" = "$version" ] || return 0
  done
  return 1
}

play() { # play PLAYBOOK
  local told=()
  [ -z "${binary:-}" ] || told=(-e "sarangbang_version=$version" -e "sarangbang_binary=$binary" -e "sarangbang_sha256=$sum")
  REDIS_PASSWORD=${redis_password:-} ANSIBLE_CONFIG=$root/ansible/ansible.cfg ANSIBLE_HOST_KEY_CHECKING=True \
    ansible-playbook -i "$folder/inventory.json" "${told[@]}" "$root/ansible/$1" >&2 ||
    stop "ansible/$1 failed" "what is above says where; run this again when it is mended: it goes on from here"
}

# What runs on each host, and whether people get in.
show_hosts() {
  local name
  for name in $(host_names); do
    step "$name"
    # shellcheck disable=SC2016 # the host is to fill it in
    on "$name" 'sudo sh -c '\''
      echo "release   $(basename "$(readlink /opt/sarangbang/current)")  (there are: $(ls /opt/sarangbang/releases | paste -sd " "))"
      echo "service   $(systemctl is-active sarangbang.service), since $(systemctl show -P ActiveEnterTimestamp sarangbang.service)"
      echo "disk      $(df -h --output=avail,pcent /var/lib/sarangbang | tail -n 1 | xargs) (free, used)"
      cd / && runuser -u sarangbang -- sarangbang doctor --config /etc/sarangbang/sarangbang.toml 2>&1 | sed "s/^/doctor    /"'\''' ||
      stop "$name cannot be asked" "is it on, and does it let SSH in from here?"
  done
  python3 - "$DOMAIN" <<'PY' || stop "https://$DOMAIN/ does not answer as it should" "see the findings of doctor above"
import ssl, sys, time, urllib.request
started = time.monotonic()
with urllib.request.urlopen(f"https://{sys.argv[1]}/readyz", timeout=15) as answer:
    print(f"https://{sys.argv[1]}/ answers {answer.status} in {time.monotonic() - started:.2f} s")
PY
}
