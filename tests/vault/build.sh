#!/bin/sh
# Builds the real Vault that the tests and `make vault-dev` run, at target/vault/vault. It is built from source because
# no package registry has Vault's binary, but Vault's command line is a Go package. Also builds HashiCorp's own KV
# engine as an external plugin, at target/vault/kv-plugin, because tests compare Airlock with it.
#
#   tests/vault/build.sh     writes only the path of the server to standard output
#
# AIRLOCK_VAULT names a vault or bao binary to use instead. Then Go is not needed, and the tests compare nothing.
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
# `minimal` leaves out the engines that nothing here mounts. A build has a name of its own until it is complete, so that
# an interrupted build is never used.
build() {
    "$go" build -tags minimal -trimpath -buildvcs=false -ldflags '-s -w' -o "$2.new" "$1" >&2
    mv "$2.new" "$2"
    say "built $2"
}
build . "$server"
build ./kv "$plugin"
echo "$server"
