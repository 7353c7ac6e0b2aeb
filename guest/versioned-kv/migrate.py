#!/usr/bin/env python3
"""Copy a KV mount with its history to another mount, through Vault's API alone.

    export VAULT_ADDR=… VAULT_TOKEN=…
    migrate.py secret new-secret

Both mounts must exist and have the same version, 1 or 2. You can run it again at any time: after a failure it continues
where it stopped. At the end it says whether both mounts are the same, and only then it ends with status 0.

In version 2 it copies every version under its own number, whether each is deleted or destroyed, each key's settings and
custom metadata, and the mount's settings. Vault's API cannot set when and by whom a version was written or deleted: the
copy shows the time of the copy, and you. A version that will be deleted later keeps that time, to about a second.

The API does not show the data of a deleted version, so you must say what to do. --deleted=drop copies it as deleted and
destroyed. --deleted=read undeletes it in the source, reads it and deletes it there again, which changes the time of its
deletion. If such a run is killed in between, the file of --journal tells the next run which version to delete again.

It changes nothing else in the source. It prints no values.
"""

import argparse
import datetime
import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request


class Stop(Exception):
    """The reason why a key, or the whole mount, could not be copied."""


class Number:
    """A number as its JSON text, so that no digit is lost."""

    def __init__(self, text):
        self.text = text

    def __int__(self):
        return int(self.text)

    def __eq__(self, other):
        return isinstance(other, Number) and self.text == other.text


def to_json(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(to_json(item) for item in value) + "]"
    return value.text if isinstance(value, Number) else json.dumps(value)


class Vault:
    """Vault's API, with the environment variables of the vault command."""

    def __init__(self):
        self.address = os.environ.get("VAULT_ADDR", "").rstrip("/")
        self.headers = {"X-Vault-Token": os.environ.get("VAULT_TOKEN", ""), "X-Vault-Request": "true"}
        if not self.address or not self.headers["X-Vault-Token"]:
            raise Stop("set VAULT_ADDR and VAULT_TOKEN")
        if namespace := os.environ.get("VAULT_NAMESPACE"):
            self.headers["X-Vault-Namespace"] = namespace
        self.tls = ssl.create_default_context(cafile=os.environ.get("VAULT_CACERT"))

    def call(self, method, path, body=None, query="", or_none=False):
        """Returns the answer's data. With or_none, returns None for a 404."""
        url = f"{self.address}/v1/{urllib.parse.quote(path)}{query}"
        body = None if body is None else to_json(body).encode()
        request = urllib.request.Request(url, body, self.headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404 and or_none:
                return None
            try:
                why = " ".join("; ".join(json.loads(error.read())["errors"]).split())
            except (ValueError, KeyError, TypeError):
                why = error.reason
            raise Stop(f"{method} {path}: {error.code} {why}") from None
        except OSError as error:
            raise Stop(f"{self.address}: {error}") from None
        return json.loads(text, parse_int=Number, parse_float=Number)["data"] if text else {}

    def read(self, path, query=""):
        return self.call("GET", path, query=query, or_none=True)

    def write(self, path, body):
        self.call("POST", path, body)

    def version(self, mount):
        options = self.call("GET", f"sys/internal/ui/mounts/{mount}")["options"] or {}
        return int(options.get("version", "1"))

    def keys(self, root, folder=""):
        """Yields every key below a path, relative to the path."""
        found = self.call("LIST", f"{root}/{folder}", or_none=True) or {"keys": []}
        for name in found["keys"]:
            if name.endswith("/"):
                yield from self.keys(root, folder + name)
            else:
                yield folder + name


class Version1:
    """Copies a mount of version 1: whole values."""

    def __init__(self, vault, source, target):
        self.vault, self.source, self.target = vault, source, target

    def keys(self, mount):
        return self.vault.keys(mount)

    def copy(self, key):
        """Copies a key. Returns True if there was something to copy."""
        value = self.vault.read(f"{self.source}/{key}")
        if value is None or value == self.vault.read(f"{self.target}/{key}"):
            return False
        self.vault.write(f"{self.target}/{key}", value)
        if self.vault.read(f"{self.target}/{key}") != value:
            raise Stop("the copy differs from what was written")
        return True

    def finish(self):
        pass


class Key:
    """A key of version 2, with its metadata."""

    def __init__(self, vault, mount, name):
        self.vault, self.mount, self.name = vault, mount, name
        of = vault.read(f"{mount}/metadata/{name}")
        self.exists = of is not None
        of = of or {"versions": {}, "current_version": 0, "oldest_version": 0}
        self.versions = {int(number): version for number, version in of["versions"].items()}
        self.current, self.oldest = int(of["current_version"]), int(of["oldest_version"])
        names = ("max_versions", "cas_required", "delete_version_after", "custom_metadata")
        self.settings = {name: of.get(name) for name in names}
        self.settings["custom_metadata"] = of.get("custom_metadata") or {}

    def destroyed(self, version):
        return version not in self.versions or self.versions[version]["destroyed"]

    def seconds_left(self, version):
        """Returns the seconds until it is deleted: None if that is not planned, 0 if it is deleted."""
        time = self.versions[version]["deletion_time"] if version in self.versions else ""
        if not time:
            return None
        moment = datetime.datetime.fromisoformat(time[:19] + "+00:00")
        left = (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        return max(0, round(left))

    def deleted(self, version):
        return self.seconds_left(version) == 0

    def data(self, version):
        answer = self.vault.read(f"{self.mount}/data/{self.name}", f"?version={version}")
        if answer is None:
            raise Stop(f"version {version} of {self.mount} could not be read; was it just deleted?")
        return answer["data"]

    def change(self, action, versions):
        if versions:
            self.vault.write(f"{self.mount}/{action}/{self.name}", {"versions": versions})

    def set(self, **settings):
        self.vault.write(f"{self.mount}/metadata/{self.name}", settings)


class Version2:
    """Copies a mount of version 2."""

    SETTINGS = {"max_versions": 0, "cas_required": False, "delete_version_after": "0s"}

    def __init__(self, vault, source, target, deleted, journal):
        self.vault, self.source, self.target = vault, source, target
        self.deleted, self.journal = deleted, journal
        self.prepared = False
        if journal and os.path.exists(journal):
            with open(journal, encoding="utf-8") as file:
                mount, name, version = json.load(file)
            Key(vault, mount, name).change("delete", [version])
            os.remove(journal)

    def keys(self, mount):
        return self.vault.keys(f"{mount}/metadata")

    def copy(self, name):
        """Copies a key. Returns True if there was something to copy."""
        source = Key(self.vault, self.source, name)
        target = Key(self.vault, self.target, name)
        if not source.exists:
            return False
        # Compare first, so that no version is written on top of other data.
        self.compare_data(source, target)
        if not self.difference(source, target):
            return False
        self.prepare()
        self.write_versions(source, target)

        target = Key(self.vault, self.target, name)
        numbers = sorted(source.versions)
        target.change("undelete", [n for n in numbers if target.deleted(n) and not source.deleted(n)])
        target.change("delete", [n for n in numbers if source.deleted(n) and not target.deleted(n)])
        target.change("destroy", [n for n in numbers if self.gone(source, n) and not target.destroyed(n)])
        target.set(**source.settings)

        if difference := self.difference(source, Key(self.vault, self.target, name)):
            raise Stop(difference)
        return True

    def write_versions(self, source, target):
        # Keep as many versions as the source still has. Older ones are written empty, only for their numbers, and Vault
        # then removes them by itself.
        kept = source.current - source.oldest + 1
        plain = {"max_versions": max(kept, 1), "cas_required": False, "delete_version_after": "0s"}
        target.set(**plain)
        ends = None
        for number in range(target.current + 1, source.current + 1):
            if ends != (left := source.seconds_left(number) or None):
                target.set(delete_version_after=f"{left or 0}s")
                ends = left
            data = {} if self.gone(source, number) else self.read(source, number)
            body = {"data": data, "options": {"cas": number - 1}}
            self.vault.write(f"{target.mount}/data/{target.name}", body)

    def gone(self, source, version):
        return source.destroyed(version) or (self.deleted == "drop" and source.deleted(version))

    def read(self, source, version):
        if not source.deleted(version):
            return source.data(version)
        if self.deleted != "read":
            raise Stop(f"version {version} is deleted; choose --deleted=drop or --deleted=read")
        with open(self.journal, "w", encoding="utf-8") as file:
            json.dump([source.mount, source.name, version], file)
            file.flush()
            os.fsync(file.fileno())
        try:
            source.change("undelete", [version])
            return source.data(version)
        finally:
            source.change("delete", [version])
            os.remove(self.journal)

    def compare_data(self, source, target):
        for number in sorted(source.versions.keys() & target.versions.keys()):
            readable = [not key.destroyed(number) and not key.deleted(number) for key in (source, target)]
            if all(readable) and source.data(number) != target.data(number):
                raise Stop(f"version {number} is another in {self.target}")
        if target.current > source.current:
            raise Stop(f"{self.target} has more versions than {self.source}")

    def difference(self, source, target):
        """Returns what differs, apart from the data; empty if nothing does."""
        if not target.exists or (source.current, source.oldest) != (target.current, target.oldest):
            return "other versions are there"
        if source.settings != target.settings:
            return "the settings differ"
        for number in source.versions:
            if self.gone(source, number) != target.destroyed(number):
                return f"version {number} is destroyed in one of the two"
            left = [key.seconds_left(number) for key in (source, target)]
            same = left[0] == left[1] or (all(left) and abs(left[0] - left[1]) < 60)
            if not same and not target.destroyed(number):
                return f"version {number} is deleted in one of the two"
        return ""

    def prepare(self):
        """Keeps the target's settings from changing what is copied."""
        if not self.prepared:
            self.vault.write(f"{self.target}/config", self.SETTINGS)
            self.prepared = True

    def finish(self):
        settings = self.vault.read(f"{self.source}/config")
        if self.prepared or self.vault.read(f"{self.target}/config") != settings:
            self.vault.write(f"{self.target}/config", settings)


def migrate(arguments):
    source, target = (mount.strip("/") for mount in (arguments.source, arguments.target))
    vault = Vault()
    versions = [vault.version(mount) for mount in (source, target)]
    if versions[0] != versions[1]:
        raise Stop(f"{source} is of version {versions[0]} and {target} of version {versions[1]}")
    if versions[0] == 1:
        engine = Version1(vault, source, target)
    else:
        engine = Version2(vault, source, target, arguments.deleted, arguments.journal)
    keys, copied, failed = set(), 0, 0
    for key in engine.keys(source):
        keys.add(key)
        try:
            copied += engine.copy(key)
        except Stop as why:
            failed += 1
            print(f"migrate: {key}: {why}", file=sys.stderr)
    engine.finish()
    extra = set(engine.keys(target)) - keys
    print(f"{len(keys)} keys: {copied} copied, {len(keys) - copied - failed} the same already, {failed} failed")
    if extra:
        print(f"migrate: {target} has {len(extra)} keys that {source} has not", file=sys.stderr)
    return failed or extra


def main():
    epilogue = __doc__.split("\n", 2)[2]
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog=epilogue, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="the mount to read")
    parser.add_argument("target", help="the mount to write")
    parser.add_argument("--deleted", choices=["drop", "read"], help="what to do with deleted versions")
    parser.add_argument("--journal", metavar="FILE", help="needed for --deleted=read")
    arguments = parser.parse_args()
    if (arguments.deleted == "read") != (arguments.journal is not None):
        parser.error("--deleted=read and --journal=FILE go together")
    try:
        sys.exit(1 if migrate(arguments) else 0)
    except Stop as why:
        sys.exit(f"migrate: {why}")


if __name__ == "__main__":
    main()
