"""Calls every method of hvac's class for KV version 1. Argument: the mount."""

import sys

import hvac

mount = sys.argv[1]
vault = hvac.Client()  # VAULT_ADDR and VAULT_TOKEN
kv = vault.secrets.kv.v1


def missing(call, *arguments, **named):
    try:
        call(*arguments, mount_point=mount, **named)
    except hvac.exceptions.InvalidPath:
        return True
    return False


assert missing(kv.read_secret, "team/db")
assert missing(kv.list_secrets, "team")

assert kv.create_or_update_secret("team/db", {"password": "one"}, mount_point=mount).status_code == 204
assert kv.create_or_update_secret("team/db", {"password": "zwölf", "port": 5432}, mount_point=mount).status_code == 204
assert kv.create_or_update_secret("team/post", {"x": 1}, method="POST", mount_point=mount).status_code == 204
assert kv.create_or_update_secret("team/put", {"x": 1}, method="PUT", mount_point=mount).status_code == 204

secret = kv.read_secret("team/db", mount_point=mount)
assert secret["data"] == {"password": "zwölf", "port": 5432}, secret
assert secret["lease_id"] == "" and not secret["renewable"], secret
assert kv.list_secrets("team", mount_point=mount)["data"] == {"keys": ["db", "post", "put"]}
assert kv.list_secrets("", mount_point=mount)["data"] == {"keys": ["team/"]}

assert kv.delete_secret("team/db", mount_point=mount).status_code == 204
assert missing(kv.read_secret, "team/db")
assert kv.list_secrets("team", mount_point=mount)["data"] == {"keys": ["post", "put"]}

called = {"read_secret", "list_secrets", "create_or_update_secret", "delete_secret"}
methods = {name for name in vars(type(kv)) if not name.startswith("_")}
assert methods == called, f"hvac has other methods than those called here: {methods ^ called}"
