#!/bin/sh
# Runs a command that runs tests, and then prints the list of skipped tests, each with its reason.
#
#   tests/list-skipped.sh COMMAND…     the status is the command's
set -u
AIRLOCK_SKIPPED=$(mktemp)
export AIRLOCK_SKIPPED
trap 'rm -f "$AIRLOCK_SKIPPED"' EXIT

"$@"
status=$?

echo
sort "$AIRLOCK_SKIPPED"
echo "skipped: $(wc -l <"$AIRLOCK_SKIPPED")"
exit "$status"
