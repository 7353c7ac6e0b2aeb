"""Calls every method of hvac's class for KV version 2. Argument: the mount."""

import sys

import hvac

mount = sys.argv[1]
vault = hvac.Client()  # VAULT_ADDR and VAULT_TOKEN
kv = vault.secrets.kv.v2
here = {"mount_point": mount}


def fails(error, call, *arguments, **named):
    try:
        call(*arguments, **here, **named)
    except error as why:
        return str(why)
    raise AssertionError(f"{call.__name__} did not fail")


InvalidPath, InvalidRequest = hvac.exceptions.InvalidPath, hvac.exceptions.InvalidRequest



def configuration():
    data = kv.read_configuration(**here)["data"]
    data.pop("metadata_cas_required", None)  # only OpenBao's engine has it
    return data


assert configuration() == {"max_versions": 0, "cas_required": False, "delete_version_after": "0s"}
kv.configure(max_versions=6, cas_required=False, delete_version_after="3h", **here)
assert configuration() == {"max_versions": 6, "cas_required": False, "delete_version_after": "3h0m0s"}
kv.configure(max_versions=6, delete_version_after="0s", **here)

fails(InvalidPath, kv.read_secret, "team/db", raise_on_deleted_version=True)
fails(InvalidPath, kv.read_secret_version, "team/db", raise_on_deleted_version=False)
fails(InvalidPath, kv.read_secret_metadata, "team/db")
fails(InvalidPath, kv.list_secrets, "team")

written = kv.create_or_update_secret("team/db", {"user": "ann"}, cas=0, **here)["data"]
assert written["version"] == 1 and not written["destroyed"], written
why = fails(InvalidRequest, kv.create_or_update_secret, "team/db", {"user": "bea"}, cas=0)
assert "did not match the current version" in why, why
assert kv.create_or_update_secret("team/db", {"user": "zwölf"}, cas=1, **here)["data"]["version"] == 2
assert kv.patch("team/db", {"port": 5432}, **here)["data"]["version"] == 3
fails(InvalidPath, kv.patch, "team/none", {"port": 5432})

secret = kv.read_secret("team/db", raise_on_deleted_version=True, **here)["data"]
assert secret["data"] == {"user": "zwölf", "port": 5432}, secret
assert secret["metadata"]["version"] == 3 and secret["metadata"]["deletion_time"] == "", secret
first = kv.read_secret_version("team/db", version=1, raise_on_deleted_version=True, **here)["data"]
assert first["data"] == {"user": "ann"} and first["metadata"]["version"] == 1, first
assert kv.list_secrets("team", **here)["data"] == {"keys": ["db"]}
assert kv.list_secrets("", **here)["data"] == {"keys": ["team/"]}

kv.delete_latest_version_of_secret("team/db", **here)
fails(InvalidPath, kv.read_secret, "team/db", raise_on_deleted_version=True)
deleted = kv.read_secret("team/db", raise_on_deleted_version=False, **here)["data"]
assert deleted["data"] is None and deleted["metadata"]["deletion_time"] != "", deleted
kv.delete_secret_versions("team/db", versions=[1, 2], **here)
fails(InvalidPath, kv.read_secret_version, "team/db", version=2, raise_on_deleted_version=True)
kv.undelete_secret_versions("team/db", versions=[2, 3], **here)
assert kv.read_secret_version("team/db", version=2, raise_on_deleted_version=True, **here)["data"]["data"] == {"user": "zwölf"}
kv.destroy_secret_versions("team/db", versions=[2], **here)
# A version that was destroyed without being deleted has no deletion time, so hvac raises in spite of the argument.
fails(InvalidPath, kv.read_secret_version, "team/db", version=2, raise_on_deleted_version=False)

kv.update_metadata(
    "team/db",
    max_versions=4,
    cas_required=True,
    delete_version_after="30m",
    custom_metadata={"owner": "ann"},
    **here,
)
metadata = kv.read_secret_metadata("team/db", **here)["data"]
assert metadata["max_versions"] == 4 and metadata["cas_required"], metadata
assert metadata["delete_version_after"] == "30m0s" and metadata["custom_metadata"] == {"owner": "ann"}, metadata
assert metadata["current_version"] == 3 and metadata["oldest_version"] == 0, metadata
versions = metadata["versions"]
assert sorted(versions) == ["1", "2", "3"], versions
assert [versions[v]["destroyed"] for v in "123"] == [False, True, False], versions
assert [versions[v]["deletion_time"] != "" for v in "123"] == [True, False, False], versions
assert "required for this call" in fails(InvalidRequest, kv.create_or_update_secret, "team/db", {"user": "bea"})

kv.delete_metadata_and_all_versions("team/db", **here)
fails(InvalidPath, kv.read_secret_metadata, "team/db")
fails(InvalidPath, kv.list_secrets, "team")

called = {
    "configure", "read_configuration", "read_secret", "read_secret_version", "create_or_update_secret", "patch",
    "delete_latest_version_of_secret", "delete_secret_versions", "undelete_secret_versions", "destroy_secret_versions",
    "list_secrets", "read_secret_metadata", "update_metadata", "delete_metadata_and_all_versions",
}  # fmt: skip
methods = {name for name in vars(type(kv)) if not name.startswith("_")}
assert methods == called, f"hvac has other methods than those called here: {methods ^ called}"
