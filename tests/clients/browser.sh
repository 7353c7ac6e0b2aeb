#!/bin/sh
# Prepares what the test of the page needs: a Chromium, and Playwright in target/venv, which venv.sh makes. Writes the
# path of the Chromium. If the machine has none, root installs Debian's (about 20 s); for other users the script fails.
#
# AIRLOCK_BROWSER names a Chromium to use instead.
set -eu
cd "$(dirname "$0")"
python=$(cd ../.. && pwd -P)/target/venv/bin/python

say() { echo "tests/clients/browser.sh: $*" >&2; }
die() { say "$*"; exit 1; }

find_browser() {
    if [ -n "${AIRLOCK_BROWSER:-}" ]; then
        command -v "$AIRLOCK_BROWSER"
    else
        command -v chromium || command -v chromium-browser || command -v google-chrome
    fi
}

debian_adds_browser() {
    [ -z "${AIRLOCK_BROWSER:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing Debian's Chromium (some 20 s)"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
        >/dev/null 2>&1 && find_browser
}

browser=$(find_browser || debian_adds_browser) ||
    die "no Chromium here${AIRLOCK_BROWSER:+ at $AIRLOCK_BROWSER}: install one, or name one with AIRLOCK_BROWSER=path"

./venv.sh
if ! "$python" -c 'import playwright' 2>/dev/null; then
    say "adding Playwright to the Python environment (50 MB)"
    "$python" -m pip install --quiet --disable-pip-version-check -r page-requirements.txt >&2 ||
        die "Playwright cannot be had for this Python"
fi
echo "$browser"
