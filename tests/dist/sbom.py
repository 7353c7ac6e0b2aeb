"""Writes the SBOM of the program: a CycloneDX 1.6 document with each crate that cargo builds it from, for one target.

    sbom.py TRIPLE FILE.cdx.json

`required` are the crates that are linked into the program, with Rust's standard library; `excluded` are those that only run
while it is built (build scripts and procedural macros). What cargo itself says is all the input, so that the document has
neither a crate too many, such as those of tests, nor one too few. It is checked against CycloneDX's own schema. The same
Cargo.lock, target and SOURCE_DATE_EPOCH give the same bytes.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

PROGRAM = "airlock"
triple, file = sys.argv[1:]


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def crates(edges):
    """The crates that the program needs over such edges, each as (name, version)."""
    tree = output("cargo", "tree", "--locked", "--package", PROGRAM, "--target", triple, "--edges", edges,
                  "--prefix", "none", "--format", "{p}")  # fmt: skip
    return {tuple(re.match(r"(\S+) v(\S+)", line).groups()) for line in tree.splitlines() if line}


def reference(name, version):
    return f"{name}@{version}"


def component(package, scope):
    name, version = package["name"], package["version"]
    result = {"type": "library", "bom-ref": reference(name, version), "name": name, "version": version, "scope": scope}
    if package["license"]:
        # Some crates still write `/`, which Cargo once took for `OR`.
        result["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["source"]:
        result["purl"] = f"pkg:cargo/{name}@{version}"
        result["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    if package["repository"]:
        result["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return result


metadata = json.loads(output("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", triple))
packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
with open("Cargo.lock", "rb") as lock:
    checksums = {(each["name"], each["version"]): each.get("checksum") for each in tomllib.load(lock)["package"]}
linked = crates("normal,no-proc-macro")
used = crates("normal,build")
names = {package["id"]: key for key, package in packages.items()}

rust = output("rustc", "--version").split()[1]
standard = {
    "type": "library",
    "bom-ref": reference("rust-std", rust),
    "name": "rust-std",
    "version": rust,
    "description": "Rust's standard library, with the C library musl",
    "scope": "required",
    "licenses": [{"expression": "MIT OR Apache-2.0"}],
}
program = next(key for key in used if key[0] == PROGRAM)
components = [
    component(packages[key], "required" if key in linked else "excluded") for key in sorted(used - {program})
]
dependencies = []
for node in metadata["resolve"]["nodes"]:
    key = names[node["id"]]
    if key in used:
        needed = sorted(reference(*names[each]) for each in node["dependencies"] if names[each] in used)
        dependencies.append({"ref": reference(*key), "dependsOn": needed})

document = {
    "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {
        "timestamp": datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "component": {**component(packages[program], "required"), "type": "application"},
        "properties": [{"name": "target", "value": triple}],
    },
    "components": [*components, standard],
    "dependencies": sorted(dependencies, key=lambda each: each["ref"]),
}
text = json.dumps(document, indent=1) + "\n"
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
if error:
    sys.exit(f"sbom.py: the document is not valid CycloneDX: {error}")
with open(file, "w") as out:
    out.write(text)
print(f"{file}: {len(linked)} crates are linked, {len(used - linked)} only run in the build", file=sys.stderr)
