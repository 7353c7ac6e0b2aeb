"""Calls hvac's functions for secrets engines and prints the result of each call as JSON, to compare servers.

The KV guest is mounted at `demo`, the users guest at `users`.
"""

import json

import hvac
import requests

vault = hvac.Client()  # VAULT_ADDR and VAULT_TOKEN
outcomes = []


def told(value):
    if isinstance(value, requests.Response):
        return {"status": value.status_code, "body": value.text}
    return value


def call(name, *arguments, on=vault, **named):
    function = on
    for part in name.split("."):
        function = getattr(function, part)
    try:
        outcome = told(function(*arguments, **named))
    except hvac.exceptions.VaultError as error:
        outcome = {"raises": type(error).__name__, "errors": error.errors}
    outcomes.append((f"{name} {arguments} {named}", outcome))
    return outcome


call("is_authenticated")
call("sys.is_initialized")
call("sys.is_sealed")
call("write", "demo/team/db", value="s3cret")
call("write_data", "demo/team/db", data={"value": {"a": [1, 2.5, None, True, "ünï¢ødé <&>"]}})
call("write_data", "demo/team/db", data={"other": 1})
call("read", "demo/team/db")
call("read", "demo/none")
call("list", "demo")
call("list", "demo/team")
call("list", "demo/none")
call("delete", "demo/team/db")
call("delete", "demo/none")
call("read", "nowhere/x")
call("secrets.kv.v1.create_or_update_secret", "k", secret={"value": "v"}, mount_point="demo")
call("secrets.kv.v1.read_secret", "k", mount_point="demo")
call("secrets.kv.v1.list_secrets", "", mount_point="demo")
call("secrets.kv.v1.delete_secret", "k", mount_point="demo")
call("secrets.kv.v1.read_secret", "k", mount_point="demo")
call("write_data", "users/users/ann", data={"email": "ann@example.com", "groups": ["a", "b"], "ttl": "90m"})
call("write_data", "users/users/bob", data={"email": "nonsense"})
call("write_data", "users/users/bob", data={"email": "bob@example.com", "ttl": -1})
call("read", "users/users/ann")
call("list", "users/users")
call("delete", "users/users/ann")
call("read", "users/users/ann")
call("sys.tune_mount_configuration", "demo", default_lease_ttl="1h", max_lease_ttl="2h", description="mine")
call("sys.read_mount_configuration", "demo")
call("sys.tune_mount_configuration", "demo", default_lease_ttl="9h")
call("sys.enable_secrets_engine", "airlock-kv", path="second", description="d", options={"a": "b"})
call("sys.enable_secrets_engine", "airlock-kv", path="second")
call("sys.enable_secrets_engine", "nonsense")
call("write_data", "second/a", data={"value": 1})
moved = call("sys.move_backend", "second", "third")
while vault.read(f"sys/remount/status/{moved['migration_id']}")["data"]["migration_info"]["status"] == "in-progress":
    pass
call("sys.list_mounted_secrets_engines")
call("sys.retrieve_mount_option", "third", "a")
call("sys.disable_secrets_engine", "third")
call("sys.disable_secrets_engine", "third")
call("sys.get_capabilities", ["demo/x"])
call("auth.token.lookup_self")
call("auth.token.lookup", "nonsense")
call("sys.read_lease", "demo/nonsense")
call("sys.renew_lease", "demo/nonsense")
call("sys.revoke_lease", "demo/nonsense")
call("sys.revoke_prefix", "demo")
call("sys.list_leases", "demo")
call("read", "demo/k", on=hvac.Client(token="nonsense"))
call("read", "demo/k", on=hvac.Client(namespace="other"))
call("write_data", "demo/k", data={"value": "wrapped"})
wrapped = call("adapter.get", "/v1/demo/k", wrap_ttl="60s")
call("sys.unwrap", wrapped["wrap_info"]["token"])
call("sys.unwrap", "nonsense")
outcomes = [(name, outcome) for name, outcome in outcomes if not name.startswith("sys.unwrap ('hvs")] + [
    ("unwrapped", outcome) for name, outcome in outcomes if name.startswith("sys.unwrap ('hvs")
]
print(json.dumps(outcomes))
