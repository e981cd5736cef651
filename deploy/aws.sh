# shellcheck shell=bash
# The part on AWS: Terraform's state and plan, and what must not be in it.
# shellcheck disable=SC2154 # root is deploy's, the others look.sh's

# The folder of this deployment; only the operator may look into it. Two runs at once wait for each other.
open_folder() {
  folder=${XDG_STATE_HOME:-$HOME/.local/state}/sarangbang/$DOMAIN
  (umask 077 && mkdir -p "$folder")
  exec 8>"$folder/lock"
  flock -n 8 || { say "another run for $DOMAIN is at work: waiting for it" && flock 8; }
  module=$root/terraform
  if [ "$NODES" -gt 1 ] && [ -s "$folder/terraform.tfstate" ] && [ ! -e "$folder/cluster" ]; then
    stop "$DOMAIN runs on one host, and NODES=$NODES are other hosts with another store" \
      "back up and make destroy first, then deploy the nodes and \`sarangbang restore\` there: docs/OPERATIONS.md"
  fi
  if [ "$NODES" -gt 1 ] || [ -e "$folder/cluster" ]; then
    [ "$NODES" -gt 1 ] || NODES=$(cat "$folder/cluster")
    module=$root/terraform/cluster
  fi
  # One folder of plugins for each deployment: what Terraform remembers there names the state.
  export TF_DATA_DIR=$folder/terraform TF_IN_AUTOMATION=1 TF_INPUT=0
}

# The same for what only looks or changes at a deployment that has to be there.
use_folder() {
  folder=${XDG_STATE_HOME:-$HOME/.local/state}/sarangbang/$DOMAIN
  [ -e "$folder/inventory.json" ] || stop "nothing is known of a deployment of $DOMAIN (no $folder)" "make deploy DOMAIN=$DOMAIN EMAIL=…"
  open_folder
}

has_state() { [ -s "$folder/terraform.tfstate" ] || [ -e "$module/backend_override.tf" ]; }

initialise() {
  local backend=("-backend-config=path=$folder/terraform.tfstate")
  # Who keeps the state elsewhere says so in that file (docs/OPERATIONS.md).
  [ ! -e "$module/backend_override.tf" ] || backend=()
  terraform -chdir="$module" init -no-color -lockfile=readonly "${backend[@]}" >"$folder/init.log" 2>&1 ||
    stop "terraform init failed: $(grep -m 1 -A 3 Error "$folder/init.log" || tail -n 5 "$folder/init.log")" \
      "see $folder/init.log; with a mirror of the provider, TF_CLI_CONFIG_FILE has to name it"
}

terraform_output() { terraform -chdir="$module" output -json "$1"; }

# The addresses that this deployment has, one a line; none before the first time.
known_addresses() {
  has_state || return 0
  [ -d "$TF_DATA_DIR" ] || initialise
  terraform_output addresses 2>/dev/null | python3 -c '
import json, socket, sys
for name in json.load(sys.stdin):
    # A load balancer has a name, whose addresses change.
    print(*sorted({found[4][0] for found in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)}), sep="\n")
' 2>/dev/null || true
}

have_ssh_key() {
  ssh_key=${SSH_KEY:-$folder/id_ed25519}
  if [ ! -e "$ssh_key" ] && [ -z "${SSH_KEY:-}" ]; then
    ssh-keygen -q -t ed25519 -N '' -C "sarangbang-$DOMAIN" -f "$ssh_key"
  fi
  [ -r "$ssh_key.pub" ] || stop "there is no public key $ssh_key.pub" "SSH_KEY=PATH names a private key with its .pub beside it"
}

# The password of ElastiCache. It is made here and given to AWS by a file that only we can read: as a resource of Terraform
# it would stand in the state, which is copied about. It is kept as a SecureString in the Parameter Store.
have_redis_password() {
  local request parameter=/sarangbang/$DOMAIN/redis-password
  [ "$NODES" -gt 1 ] || return 0
  # ElastiCache takes 40 small letters, digits and dashes that do not follow each other, so that the domain is cut; with eight digits
  # of its own it is still no other's.
  redis_user=$(printf 'sarangbang-%.20s' "$DOMAIN" | tr -s .- -)
  redis_user=${redis_user%-}-$(printf %s "$DOMAIN" | sha256sum | cut -c 1-8)
  request=$(umask 077 && mktemp "$folder/request.XXXXXX")
  if ! aws ssm get-parameter --with-decryption --name "$parameter" --query Parameter.Value --output text >"$request" 2>/dev/null; then
    step "making the password of ElastiCache"
    python3 - "$parameter" >"$request" <<'PY'
import json, secrets, sys
json.dump({"Name": sys.argv[1], "Type": "SecureString", "Value": secrets.token_urlsafe(48)}, sys.stdout)
PY
    aws ssm put-parameter --cli-input-json "file://$request" >/dev/null
    aws ssm get-parameter --with-decryption --name "$parameter" --query Parameter.Value --output text >"$request"
  fi
  redis_password=$(cat "$request")
  if ! aws elasticache describe-users --user-id "$redis_user" >/dev/null 2>&1; then
    # ElastiCache refuses CONFIG to everybody; the server reads what it has to know from INFO.
    REDIS_PASSWORD=$redis_password python3 - "$redis_user" >"$request" <<'PY'
import json, os, sys
json.dump({
    "UserId": sys.argv[1],
    "UserName": "sarangbang",
    "Engine": "valkey",
    "AccessString": "on ~sarangbang:* resetchannels &sarangbang:* +@all -@admin -@dangerous +info",
    "AuthenticationMode": {"Type": "password", "Passwords": [os.environ["REDIS_PASSWORD"]]},
}, sys.stdout)
PY
    aws elasticache create-user --cli-input-json "file://$request" >/dev/null
  fi
  rm -f "$request"
}

# The module's variables, as a file: nothing secret is among them.
write_variables() {
  DOMAIN=$DOMAIN EMAIL=${EMAIL:-} ARCH=$ARCH NODES=$NODES ADMIN_CIDRS=${ADMIN_CIDRS:-} ZONE=${ZONE:-} SNAPSHOT=${SNAPSHOT:-} \
    REDIS_USER=${redis_user:-} KEY=$(cut -d ' ' -f 1,2 "$ssh_key.pub") python3 >"$folder/deploy.tfvars.json.new" <<'PY'
import json, os, sys
told = os.environ
cidrs = [cidr for cidr in told["ADMIN_CIDRS"].replace(" ", ",").split(",") if cidr]
variables = {
    "domain": told["DOMAIN"],
    "architecture": told["ARCH"],
    "ssh_public_key": told["KEY"],
    "admin_cidrs": cidrs,
    "instance_connect_endpoint": not cidrs,
    "alarm_email": told["EMAIL"] or None,
    "route53_zone_id": told["ZONE"] or None,
}
if int(told["NODES"]) > 1:
    variables |= {"node_count": int(told["NODES"]), "redis_user_id": told["REDIS_USER"], "store_snapshot": told["SNAPSHOT"] or None}
else:
    variables |= {"data_snapshot_id": told["SNAPSHOT"] or None}
json.dump(variables, sys.stdout, indent=2)
PY
  mv "$folder/deploy.tfvars.json.new" "$folder/deploy.tfvars.json"
}

# What the plan would do away with, one a line.
losses() {
  terraform -chdir="$module" show -json "$folder/plan" | python3 -c '
import json, sys
for change in json.load(sys.stdin).get("resource_changes", []):
    if "delete" in change["change"]["actions"] and change["type"] in ("aws_instance", "aws_ebs_volume", "aws_eip", "aws_s3_bucket", "aws_elasticache_replication_group"):
        print(change["address"])'
}

apply() {
  local more=() lost code=0
  step "Terraform: what is on AWS, and what should be"
  initialise
  write_variables
  # Who wants another size or a larger disk writes it there; docs/OPERATIONS.md.
  [ ! -e "$folder/my.tfvars" ] || more=("-var-file=$folder/my.tfvars")
  terraform -chdir="$module" plan -no-color -detailed-exitcode -out="$folder/plan" \
    -var-file="$folder/deploy.tfvars.json" "${more[@]}" >"$folder/plan.log" 2>&1 || code=$?
  case $code in
    0)
      say "nothing to change on AWS"
      ;;
    2)
      lost=$(losses)
      if [ -n "$lost" ] && [ "${REPLACE:-}" != yes ]; then
        stop "this would replace or remove $(paste -sd ' ' <<<"$lost")" \
          "read $folder/plan.log; if it is wanted, REPLACE=yes. Nothing was changed"
      fi
      grep -E '^(Plan:|  # )' "$folder/plan.log" >&2 || true
      [ "$NODES" -eq 1 ] || echo "$NODES" >"$folder/cluster"
      terraform -chdir="$module" apply -no-color "$folder/plan" >"$folder/apply.log" 2>&1 ||
        stop "terraform apply failed: $(grep -m 1 -A 4 Error: "$folder/apply.log")" "see $folder/apply.log; run this again when the cause is mended: it goes on from here"
      ;;
    *) stop "terraform plan failed: $(grep -m 1 -A 8 Error: "$folder/plan.log")" "see $folder/plan.log. Nothing was changed" ;;
  esac
  rm -f "$folder/plan"
}

destroy() {
  local volume snapshot name there more=() answer=${CONFIRM:-}
  look_at_input
  [ -z "${HOST:-}" ] || stop "$HOST was there before, and stays" "ansible and apt have what was installed; nothing on AWS belongs to it"
  look_at_tools
  open_folder
  look_at_credentials
  has_state || stop "nothing is known of a deployment of $DOMAIN on AWS (no $folder/terraform.tfstate)" "is DOMAIN right, and was it deployed from here?"
  initialise
  say "This takes $DOMAIN down: the hosts, their addresses and their network go. The data stays as one last snapshot, from which"
  say "\`make deploy … SNAPSHOT=\` starts again$([ "$NODES" -gt 1 ] || echo "; daily snapshots stay too, and the bucket with the backups")."
  if [ -z "$answer" ]; then
    read -r -p "To go on, write the domain: " answer || true
  fi
  [ "$answer" = "$DOMAIN" ] || stop "\"$answer\" is not $DOMAIN" "nothing was changed"
  if [ "$NODES" -eq 1 ]; then
    volume=$(terraform_output data_volume_id | tr -d '"')
    take_last_snapshot "$volume"
    # Terraform refuses to remove the volume, rightly. It goes when its snapshot is whole and nothing holds it any more.
    terraform -chdir="$module" state rm -no-color aws_volume_attachment.data aws_ebs_volume.data >>"$folder/destroy.log" 2>&1 || true
    leave_bucket
  fi
  step "Terraform: taking everything down"
  [ ! -e "$folder/my.tfvars" ] || more=("-var-file=$folder/my.tfvars")
  if [ "$NODES" -gt 1 ]; then
    # A run before this one may have taken the outputs down already.
    name=$(terraform_output name 2>>"$folder/destroy.log" | tr -d '"') || name=sarangbang
    name=$name-$(date -u +%Y%m%d-%H%M%S)
    # What a run before this one has taken down already must not be made anew.
    mapfile -t there < <(terraform -chdir="$module" state list 2>>"$folder/destroy.log" | sed -nE 's/^(aws_lb\.main|aws_elasticache_replication_group\.store)$/-target=\1/p')
    [ "${#there[@]}" -eq 0 ] ||
      terraform -chdir="$module" apply -no-color -auto-approve "${there[@]}" -var deletion_protection=false -var final_snapshot="$name" \
        -var-file="$folder/deploy.tfvars.json" "${more[@]}" >>"$folder/destroy.log" 2>&1 ||
      stop "terraform cannot lift the protection of the load balancer: $(grep -m 1 -A 4 Error: "$folder/destroy.log")" "see $folder/destroy.log, and run this again"
    [[ ${there[*]} != *replication_group* ]] || echo "$name" >"$folder/store-snapshot"
  fi
  terraform -chdir="$module" destroy -no-color -auto-approve -var-file="$folder/deploy.tfvars.json" "${more[@]}" >>"$folder/destroy.log" 2>&1 ||
    stop "terraform destroy failed: $(grep -m 1 -A 4 Error: "$folder/destroy.log")" "see $folder/destroy.log, and run this again${snapshot:+; the data is in $snapshot}"
  if [ "$NODES" -eq 1 ]; then
    aws ec2 wait volume-available --volume-ids "$volume"
    aws ec2 delete-volume --volume-id "$volume"
    say "the data of $DOMAIN is in the snapshot $snapshot ($AWS_REGION)"
    if [ -s "$folder/buckets" ]; then
      say "its backups are in $(sed 's|^|s3://|' "$folder/buckets" | paste -sd ' '), and do not expire any more: empty and delete that when you want none of them"
    fi
    say "again: make deploy DOMAIN=$DOMAIN EMAIL=… SNAPSHOT=$snapshot"
  else
    say "the rooms are in ElastiCache's snapshot $(cat "$folder/store-snapshot") ($AWS_REGION); its user and password stay for it"
    say "again: make deploy DOMAIN=$DOMAIN EMAIL=… NODES=$NODES SNAPSHOT=$(cat "$folder/store-snapshot")"
  fi
  rm -f "$folder/inventory.json" "$folder/known_hosts" "$folder/ssh_config" "$folder/cluster"
}

# The bucket with the backups stays closed, encrypted and with its versions. The rule by which backups expire goes: with no
# host that adds new ones, it would end the last of them too.
leave_bucket() {
  local bucket kept
  bucket=$(terraform_output backup_bucket 2>/dev/null | tr -d '"' || true)
  [[ $bucket != sarangbang-* ]] || grep -qxF "$bucket" "$folder/buckets" 2>/dev/null || echo "$bucket" >>"$folder/buckets"
  mapfile -t kept < <(terraform -chdir="$module" state list 2>>"$folder/destroy.log" | grep '^aws_s3_bucket' | grep -v '^aws_s3_bucket_lifecycle_configuration')
  [ "${#kept[@]}" -eq 0 ] ||
    terraform -chdir="$module" state rm -no-color "${kept[@]}" >>"$folder/destroy.log" 2>&1 ||
    stop "Terraform cannot leave the bucket $bucket as it is" "see $folder/destroy.log, and run this again; the data is in $snapshot"
}

# take_last_snapshot VOLUME: stops the host, so that the snapshot is of a volume at rest, and waits until it is whole.
take_last_snapshot() {
  local hosts state
  step "the last snapshot of $1"
  hosts=$(terraform_output hosts | python3 -c 'import json, sys; print(*[host["instance_id"] for host in json.load(sys.stdin).values()])')
  # A run before this one may have come that far already.
  # shellcheck disable=SC2086 # ids have no spaces
  hosts=$(aws ec2 describe-instances --instance-ids $hosts --filters Name=instance-state-name,Values=pending,running,stopping \
    --query 'Reservations[].Instances[].InstanceId' --output text || true)
  if [ -n "$hosts" ]; then
    # shellcheck disable=SC2086
    aws ec2 stop-instances --instance-ids $hosts >/dev/null
    # shellcheck disable=SC2086
    aws ec2 wait instance-stopped --instance-ids $hosts
  fi
  snapshot=$(aws ec2 create-snapshot --volume-id "$1" --description "Sarangbang $DOMAIN, the last before destroy" \
    --tag-specifications "ResourceType=snapshot,Tags=[{Key=Application,Value=sarangbang},{Key=Domain,Value=$DOMAIN},{Key=Name,Value=$DOMAIN-final}]" \
    --query SnapshotId --output text)
  echo "$snapshot" >>"$folder/snapshots"
  # A first snapshot of a large volume takes longer than the AWS command waits by itself.
  while state=$(aws ec2 describe-snapshots --snapshot-ids "$snapshot" --query 'Snapshots[0].[State,Progress]' --output text); do
    case $state in
      completed*) break ;;
      error*) stop "AWS could not make the snapshot $snapshot" "the host is stopped and nothing is gone: run this again" ;;
    esac
    say "$snapshot: $state"
    sleep 10
  done
  [[ $state = completed* ]] || stop "AWS does not tell of the snapshot $snapshot" "the host is stopped and nothing is gone: run this again"
}
