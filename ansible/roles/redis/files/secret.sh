# Makes the password $SECRET, unless there is one, and the file $ACL of Redis's users: one, by that password; the default
# one is off: nobody comes in as it. It keeps its rights all the same: Redis 7 reads its append-only file as that user, and
# would leave out every transaction, and so every message (redis/redis#14541). What the other user may do is what
# docs/OPERATIONS.md lists.
# shellcheck shell=sh
set -eu
umask 077
if [ ! -s "$SECRET" ]; then
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$SECRET.new"
  mv "$SECRET.new" "$SECRET"
fi
sum=$(tr -d '\n' <"$SECRET" | sha256sum | cut -d ' ' -f 1)
printf 'user default off resetpass ~* &* +@all\nuser sarangbang on #%s ~sarangbang:* &sarangbang:* +@all -@admin -@dangerous +info +config|get\n' "$sum" >"$ACL.new"
chown root:redis "$ACL.new"
chmod 640 "$ACL.new"
mv "$ACL.new" "$ACL"
