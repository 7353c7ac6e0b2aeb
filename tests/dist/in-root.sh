#!/bin/sh
# Runs in the root that `root.sh` makes, in namespaces of its own. VERSION: the version under test.
set -eu
mount -t proc proc /proc

step() { printf '\n# %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
# Runs a command, and shows it with its output.
run() { echo "\$ $*" && "$@"; }

step "Nothing here is a C library"
run ls /
[ -z "$(find / -xdev \( -name '*.so*' -o -name 'ld-*' \))" ] || fail "there is a shared library"

step "The program runs, and checks a guest"
run airlock --version
digest=$(sha256sum </kv.wasm | cut -c-64)
run airlock check --guest=/kv.wasm --guest-sha256="$digest"

step "A real Vault starts it"
echo 'plugin_directory = "/plugins"' >/etc/vault.hcl
export VAULT_ADDR=http://127.0.0.1:8200 VAULT_TOKEN=root HOME=/tmp
vault server -dev -dev-no-store-token -dev-root-token-id=root -config=/etc/vault.hcl >/tmp/vault.log 2>&1 &
until grep -q 'Development mode should NOT be used' /tmp/vault.log; do
    kill -0 $! 2>/dev/null || { cat /tmp/vault.log; fail "Vault did not start"; }
    sleep 0.1
done
sha256=$(sha256sum </plugins/airlock | cut -c-64)
run vault plugin register -sha256="$sha256" -command=airlock -version="v$VERSION" -args=serve \
    -args=--guest=/kv.wasm -args=--guest-sha256="$digest" secret airlock-kv
run vault secrets enable -path=demo -plugin-version="v$VERSION" airlock-kv
run vault write demo/team/db value=s3cret
run vault read demo/team/db
[ "$(vault read -field=value demo/team/db)" = s3cret ] || fail "the value is another"
run vault list demo/team
run vault delete demo/team/db

step "A signed guest is pushed to a name that DNS resolves"
run airlock keygen --out /tmp/signer --no-password
run airlock sign --key /tmp/signer /versioned-kv.wasm
run vault plugin register -sha256="$sha256" -command=airlock -version="v$VERSION" -args=serve \
    -args=--trust="$(tail -n 1 /tmp/signer.pub)" secret airlock
run vault secrets enable -path=pushed -plugin-version="v$VERSION" airlock
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
export VAULT_ADDR=http://vault.test:8200
run airlock push /versioned-kv.wasm --mount pushed --reload
run airlock status --mount pushed
export VAULT_ADDR=http://127.0.0.1:8200
run vault write pushed/config max_versions=3
run vault read pushed/config

step "What Vault's log says of the plugin"
grep -E 'secrets\.airlock|\[ERROR\]' /tmp/vault.log | cut -c-200 | tail -n 12
