"""Reads, writes, lists and deletes through hvac's generic calls. Argument: the KV guest's mount."""

import sys

import hvac

mount = sys.argv[1]
vault = hvac.Client()  # VAULT_ADDR and VAULT_TOKEN
assert vault.is_authenticated()


def refused(call):
    try:
        call()
    except hvac.exceptions.InvalidRequest as error:
        return error.errors
    raise AssertionError("was not refused")


assert vault.write(f"{mount}/team/db", value="s3cret")["data"] == {"message": "key created"}
assert vault.write_data(f"{mount}/team/db", data={"value": "ünï¢ødé"})["data"] == {"message": "key updated"}
assert vault.read(f"{mount}/team/db")["data"] == {"value": "ünï¢ødé"}
assert vault.list(f"{mount}/team")["data"] == {"keys": ["db"]}
assert vault.list(f"{mount}/nothing") is None
assert refused(lambda: vault.write_data(f"{mount}/team/db", data={"other": 1}))
vault.delete(f"{mount}/team/db")
assert refused(lambda: vault.read(f"{mount}/team/db")) == ["key not found"]
