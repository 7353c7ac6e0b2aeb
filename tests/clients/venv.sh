#!/bin/sh
# Makes target/venv, the Python environment of the client tests, with the packages that requirements.txt names.
set -eu
cd "$(dirname "$0")"
venv=$(cd ../.. && pwd -P)/target/venv

say() { echo "tests/clients/venv.sh: $*" >&2; }
die() { say "$*"; exit 1; }

[ ! -f "$venv/complete" ] || [ -n "$(find requirements.txt -newer "$venv/complete")" ] || exit 0

say "making a Python environment with hvac (some seconds)"
rm -rf "$venv"
# On Debian, the module that makes environments is a separate package.
if ! python3 -m venv "$venv" 2>/dev/null; then
    rm -rf "$venv"
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq &&
        apt-get install -y -qq --no-install-recommends python3-venv; } >/dev/null 2>&1 || true
    python3 -m venv "$venv" || die "the client tests need Python 3 with its venv module (Debian: apt-get install python3-venv)"
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt >&2
touch "$venv/complete"
