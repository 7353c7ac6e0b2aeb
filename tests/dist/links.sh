#!/bin/sh
# Fails if a page links to a file that is missing.
#
#   tests/dist/links.sh PAGE.md…
set -eu

missing=$(for page in "$@"; do
    grep -o '](\(\.\./\)*[A-Za-z0-9_./-]*[)#]' "$page" | sed 's/^](//; s/[)#]$//' | sort -u | while read -r link; do
        [ -z "$link" ] || [ -e "$(dirname "$page")/$link" ] || echo "$page links to $link"
    done
done)
[ -z "$missing" ] || { echo "$missing" >&2; echo "tests/dist/links.sh: these files are missing" >&2; exit 1; }
