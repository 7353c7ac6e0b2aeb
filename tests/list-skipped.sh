#!/bin/sh
# Runs a command that runs tests, and then lists the skipped tests, each with the reason.
#
#   tests/list-skipped.sh COMMAND…     ends with the status of the command
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
