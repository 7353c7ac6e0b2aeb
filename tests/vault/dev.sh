#!/bin/sh
# Runs a real Vault development server until Ctrl-C. Airlock is registered with it, and serves the KV guest at `demo`.
#
#   tests/vault/dev.sh VAULT      VAULT is the server's binary; `make vault-dev` builds everything and calls this
#
# AIRLOCK_DEV_PORT: the port on loopback; 8200 by default.
set -eu
vault=$1
target=$(cd "$(dirname "$0")/../../target" && pwd -P)
airlock=$target/release/airlock
guest=$target/guests/kv.wasm
port=${AIRLOCK_DEV_PORT:-8200}

die() { echo "make vault-dev: $*" >&2; exit 1; }
[ -x "$airlock" ] && [ -f "$guest" ] || die "$airlock or $guest is missing: run make build"

sha256() { { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -c-64; }

# Vault runs plugins only from its configured directory, and not through a link that leads out of it.
directory=$(mktemp -d)
directory=$(cd "$directory" && pwd -P)
log=$directory/vault.log
server=
finish() {
    trap '' INT TERM
    [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" || true; }
    rm -rf "$directory"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$directory/plugins"
: >"$log"
cp "$airlock" "$directory/plugins/airlock"
echo "plugin_directory = \"$directory/plugins\"" >"$directory/config.hcl"
export VAULT_ADDR="http://127.0.0.1:$port" VAULT_TOKEN=root BAO_ADDR="http://127.0.0.1:$port" BAO_TOKEN=root

"$vault" server -dev -dev-no-store-token -dev-root-token-id=root -dev-listen-address="127.0.0.1:$port" \
    -config="$directory/config.hcl" >"$log" 2>&1 &
server=$!
until grep -q 'Development mode should NOT be used' "$log"; do
    kill -0 "$server" 2>/dev/null || { server=; die "Vault did not start: $(grep -i error "$log" | tail -n 1)"; }
    sleep 0.1
done

"$vault" plugin register -sha256="$(sha256 "$airlock")" -command=airlock -args=serve -args="--guest=$guest" \
    -args="--guest-sha256=$(sha256 "$guest")" secret airlock-kv >/dev/null
"$vault" secrets enable -path=demo airlock-kv >/dev/null

cat <<END

A Vault development server runs at $VAULT_ADDR, with the KV guest mounted at demo/.
Its log is $log. Ctrl-C ends it and forgets everything.

In another terminal:

  export VAULT_ADDR=$VAULT_ADDR VAULT_TOKEN=root
  alias vault=$vault

  vault write demo/team/db value=s3cret
  vault read demo/team/db
  vault list demo/team
  vault delete demo/team/db
  curl -H "X-Vault-Token: root" \$VAULT_ADDR/v1/demo/team/db
  target/release/airlock inspect target/guests/kv.wasm

END
# Ctrl-C also reaches the server, possibly before it reaches this script.
wait "$server" || true
exit 130
