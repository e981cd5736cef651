# shellcheck shell=bash
# The world in which the deploy program is tried: an AWS of this computer, and an sshd that stands for each host, in a network
# namespace of its own, where port 22 of every 127.x.y.z is that sshd's. Whoever reads this in has said: root (the repository),
# work (a folder), domain, and as name how its results are called.
# shellcheck disable=SC2034,SC2154 # root, work, domain and name come from there, and what is set here is used there
ip link set lo up
mount --make-rprivate /
hosts=$work/hosts
printf '127.0.0.1 localhost\n' >"$hosts"
mount --bind "$hosts" /etc/hosts
# An /opt of our own, where releases stand as on a host; what else is there (the provider's mirror) stays.
mkdir "$work/opt"
mount --bind /opt "$work/opt"
mount -t tmpfs none /opt
for there in "$work"/opt/*/; do
  mkdir "/opt/$(basename "$there")"
  mount --bind "$there" "/opt/$(basename "$there")"
done

# A copy, so that nothing is left in the repository.
mkdir -p "$work/tree/ansible" "$work/home" "$work/bin" "$work/sshd"
cp -r "$root/deploy" "$root/Cargo.toml" "$work/tree/"
mkdir "$work/tree/terraform"
(cd "$root/terraform" && find . \( -name '*.tf' -o -name '*.yaml' -o -name .terraform.lock.hcl \) -print0 | xargs -0 cp --parents -t "$work/tree/terraform")
touch "$work/tree/ansible/ansible.cfg"
for play in site upgrade rollback; do
  cat >"$work/tree/ansible/$play.yml" <<YAML
- hosts: sarangbang
  gather_facts: false
  tasks:
    - ansible.builtin.raw: >-
        echo '$play {{ inventory_hostname }} {{ sarangbang_version | default("-") }} {{ sarangbang_domains | join(",") }}
        {{ sarangbang_acme_email }} {{ sarangbang_data_volume_id | default("-") }} {{ sarangbang_settings | to_json }}
        {{ (sarangbang_secrets | default({})).keys() | list | to_json }} {{ sarangbang_backup_bucket | default("-") }}
        {{ sarangbang_backup_bucket_region | default("-") }}' >> $work/played
YAML
done

export HOME=$work/home XDG_STATE_HOME=$work/state AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1 AWS_EC2_METADATA_DISABLED=true
export ANSIBLE_HOME=$work/ansible-home ANSIBLE_LOCAL_TEMP=$work/ansible-tmp
export SSH_USER=root SSH_SECONDS=20 HOST_KEY_SECONDS=60 DNS_SECONDS=8

# sshd, with a key of its own, which lets in whoever comes with the key that deploy made.
ssh-keygen -q -t ed25519 -N '' -f "$work/sshd/key"
mkdir -p /run/sshd "$work/state/sarangbang/$domain"
chmod 700 "$work/state/sarangbang/$domain"
ssh-keygen -q -t ed25519 -N '' -f "$work/state/sarangbang/$domain/id_ed25519"
cp "$work/state/sarangbang/$domain/id_ed25519.pub" "$work/sshd/authorized"
sshd() {
  /usr/sbin/sshd -D -e -f /dev/null -o ListenAddress=0.0.0.0:22 -o HostKey="$1" -o AuthorizedKeysFile="$work/sshd/authorized" \
    -o StrictModes=no -o UsePAM=no -o PasswordAuthentication=no -o PermitRootLogin=prohibit-password -o PidFile=none >>"$work/sshd/log" 2>&1 &
  sshd=$!
}
sshd "$work/sshd/key"

# AWS, and a console that shows what user-data.yaml writes there.
python "$root/tests/deploy/emulated_aws.py" "$work/port" >"$work/aws.log" 2>&1 &
for _ in $(seq 1200); do
  [ ! -e "$work/port" ] || break
  sleep 0.1
done
AWS_ENDPOINT_URL=http://127.0.0.1:$(cat "$work/port")
export AWS_ENDPOINT_URL
real=$(command -v aws)
cat >"$work/bin/aws" <<SH
#!/bin/sh
case "\$*" in
  *"ec2 get-console-output"*)
    echo "[   12.3] systemd[1]: starting"
    echo "-----BEGIN SARANGBANG HOST KEYS-----"
    cat "$work/console-key"
    echo "-----END SARANGBANG HOST KEYS-----" ;;
  *) exec "$real" "\$@" ;;
esac
SH
chmod +x "$work/bin/aws"
export PATH=$work/bin:$PATH
cp "$work/sshd/key.pub" "$work/console-key"

# A program for the processor: the head of an ELF file tells it.
head -c 4096 "$(command -v env)" >"$work/program"

passed=0
ok() {
  passed=$((passed + 1))
  echo "$name: $*"
}
fail() {
  printf '\nFAILED: %s\n' "$*" >&2
  tail -n 30 "$work/out" >&2
  exit 1
}
