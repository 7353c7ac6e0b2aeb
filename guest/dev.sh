#!/bin/sh
# Serves the guests of this repository with `airlock dev` until Ctrl-C: the KV guest at `demo`, and each other guest
# under its own name. Needs neither Vault nor Go.
#
#   guest/dev.sh [ARGUMENT…]     more arguments for `airlock dev`; `make dev` builds everything and calls this
#
# AIRLOCK_DEV_PORT: the port on loopback; 8200 by default.
set -eu
cd "$(dirname "$0")/.."
airlock=target/release/airlock
address=127.0.0.1:${AIRLOCK_DEV_PORT:-8200}

die() { echo "make dev: $*" >&2; exit 1; }

set -- --listen="$address" --token=root "$@"
for guest in $(guest/build.sh --list); do
    file=target/guests/$guest.wasm
    [ -x "$airlock" ] && [ -f "$file" ] || die "$airlock or $file is missing: run make build"
    path=$guest
    [ "$guest" != kv ] || path=demo
    set -- "$@" --mount="$path=$file"
done

cat <<END
When it serves, in another terminal:

  export VAULT_ADDR=http://$address VAULT_TOKEN=root

  curl -sH "X-Vault-Token: root" \$VAULT_ADDR/v1/demo/team/db -d '{"value": "s3cret"}'
  curl -sH "X-Vault-Token: root" \$VAULT_ADDR/v1/demo/team/db
  curl -sH "X-Vault-Token: root" \$VAULT_ADDR/v1/demo/team -X LIST
  curl -sH "X-Vault-Token: root" \$VAULT_ADDR/v1/demo/team/db -X DELETE
  target/release/airlock inspect target/guests/kv.wasm

The vault command does the same (vault write demo/team/db value=s3cret), as does any other client of Vault's API.

END
exec "$airlock" dev "$@"
