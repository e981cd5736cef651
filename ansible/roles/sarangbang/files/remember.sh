# Marks $RELEASE as healthy and the healthy one before it as the previous one; deletes the oldest releases beyond $KEPT,
# never one of these two. Says what it changed, or nothing.
# shellcheck shell=sh
root=/opt/sarangbang
healthy=$(readlink -e $root/healthy)
# shellcheck disable=SC2153 # it comes by the environment
if [ "$healthy" != "$RELEASE" ]; then
  [ -z "$healthy" ] || ln -sfnT "$healthy" $root/previous
  ln -sfnT "$RELEASE" $root/healthy
  # The order in which releases were in use, not in which they came.
  touch "$RELEASE"
  echo "$RELEASE is healthy"
fi
previous=$(readlink -e $root/previous)
at=0
# Names of releases have no spaces.
# shellcheck disable=SC2045
for release in $(ls -1t $root/releases); do
  at=$((at + 1))
  path=$root/releases/$release
  [ "$at" -gt "$KEPT" ] && [ "$path" != "$RELEASE" ] && [ "$path" != "$previous" ] || continue
  rm -r "$path"
  echo "$path deleted"
done
exit 0
