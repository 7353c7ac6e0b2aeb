#!/bin/sh
# Builds the real Vault that the tests and `make vault-dev` run, at target/vault/vault: no package registry has a binary
# of Vault, but its command line is a Go package. Also builds HashiCorp's own KV engine as an external plugin, at
# target/vault/kv-plugin, with which the tests compare Airlock.
#
#   tests/vault/build.sh     the path of the server to use is all it writes on standard output
#
# AIRLOCK_VAULT names a vault or bao binary to use instead. Go is not needed then, and the comparison is skipped.
set -eu
cd "$(dirname "$0")"
out=$(cd ../.. && pwd -P)/target/vault

say() { echo "tests/vault/build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${AIRLOCK_VAULT:-}" ]; then
    "$AIRLOCK_VAULT" version >/dev/null 2>&1 || die "AIRLOCK_VAULT=$AIRLOCK_VAULT is not a vault or bao binary that runs here"
    echo "$AIRLOCK_VAULT"
    exit
fi

server=$out/vault
plugin=$out/kv-plugin
is_current() { [ -x "$1" ] && [ -z "$(find "$2" go.mod go.sum -newer "$1")" ]; }
if is_current "$server" main.go && is_current "$plugin" kv/main.go; then
    echo "$server"
    exit
fi

go=$(../go.sh) || die "without Go there is no Vault to test with; AIRLOCK_VAULT=path uses a vault or bao binary"

version=$(sed -n 's/.*hashicorp\/vault \(v.*\)/\1/p' go.mod)
say "building Vault $version from its Go modules, once: about 5 minutes on 2 cores (AIRLOCK_VAULT=path uses yours instead)"
mkdir -p "$out"
# `minimal` leaves out the engines that nothing here mounts. Without cgo, as HashiCorp builds it, the binary needs no C
# library (tests/dist/root.sh). The output has another name first, so that an interrupted build leaves no broken binary.
build() {
    CGO_ENABLED=0 "$go" build -tags minimal -trimpath -buildvcs=false -ldflags '-s -w' -o "$2.new" "$1" >&2
    mv "$2.new" "$2"
    say "built $2"
}
build . "$server"
build ./kv "$plugin"
echo "$server"
