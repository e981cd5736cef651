# shellcheck shell=bash
# What is said: steps and notes on stderr, results on stdout.

step() { printf '\n== %s\n' "$*" >&2; }

say() { printf '%s\n' "$*" >&2; }

# stop CAUSE FIX: ends it, and says what to do.
stop() {
  printf '\nstopped: %s\nfix: %s\n' "$1" "$2" >&2
  exit 1
}
