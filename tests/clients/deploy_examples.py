"""Parses the deployment examples, and checks what their own tools would: names of fields, shell scripts, digests of files.

Arguments: the folder of the examples, and Airlock's version. Prints each mistake on a line; the status is 1 if there is one.
"""

import re
import subprocess
import sys
from pathlib import Path

import hcl2
import yaml

folder, version = Path(sys.argv[1]), sys.argv[2]
mistakes = []


def check(file, condition, what):
    if not condition:
        mistakes.append(f"{file}: {what}")


def names_only(file, what, given, known):
    for name in sorted(set(given) - set(known)):
        mistakes.append(f"{file}: {what} has no field {name}")


def check_shell(file, script):
    # GitHub's own expressions are replaced before a shell sees the script.
    script = re.sub(r"\$\{\{.*?\}\}", "x", script)
    shell = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True)
    check(file, shell.returncode == 0, shell.stderr.strip())


# The fields of HashiCorp's provider 5 for Vault.
TERRAFORM = {
    "vault_plugin": {"type", "name", "version", "command", "sha256", "args", "env", "oci_image", "runtime"},
    "vault_mount": {"path", "type", "plugin_version", "description", "options", "seal_wrap", "local"},
    "vault_policy": {"name", "policy"},
    "vault_jwt_auth_backend": {"path", "oidc_discovery_url", "bound_issuer"},
    "vault_jwt_auth_backend_role": {
        "backend", "role_name", "role_type", "user_claim", "bound_audiences", "bound_claims_type", "bound_claims",
        "token_policies", "token_ttl",
    },
}  # fmt: skip


def unquoted(text):
    return text.strip('"')


def terraform(file):
    parsed = hcl2.loads((folder / file).read_text())
    kinds = set()
    for block in parsed["resource"]:
        for kind, named in block.items():
            kinds.add(unquoted(kind))
            for fields in named.values() if isinstance(named, dict) else []:
                given = {name for name in fields if not name.startswith("__")}
                names_only(file, unquoted(kind), given, TERRAFORM.get(unquoted(kind), ()))
    check(file, {"vault_plugin", "vault_mount"} <= kinds, "it has neither a plugin nor a mount")


# The fields of HashiCorp's chart 0.33, of what this example sets.
HELM = {"extraInitContainers", "volumes", "volumeMounts", "resources", "ha"}


def helm(file):
    server = yaml.safe_load((folder / file).read_text())["server"]
    names_only(file, "server", server, HELM)
    raft = server["ha"]["raft"]
    configuration = hcl2.loads(raft["config"])
    directory = unquoted(configuration["plugin_directory"])
    volumes = {volume["name"] for volume in server["volumes"]}
    mounts = server["volumeMounts"] + [
        mount for container in server["extraInitContainers"] for mount in container["volumeMounts"]
    ]
    for mount in mounts:
        check(file, mount["name"] in volumes, f"no volume {mount['name']}")
        check(file, mount["mountPath"] == directory, f"{mount['mountPath']} is not Vault's plugin_directory")
    for container in server["extraInitContainers"]:
        check(file, container["command"][-1].rstrip("/") == directory, "the binary is copied elsewhere")


def github(file):
    workflow = yaml.safe_load((folder / file).read_text())
    # YAML 1.1 reads the key `on` as a truth value.
    names_only(file, "the workflow", map(str, workflow), {"name", "True", "permissions", "env", "jobs"})
    for job in workflow["jobs"].values():
        names_only(file, "a job", job, {"runs-on", "permissions", "steps", "env", "if", "needs"})
        for step in job["steps"]:
            names_only(file, "a step", step, {"name", "uses", "with", "run", "env", "if", "id"})
            check(file, ("uses" in step) != ("run" in step), f"{step} neither runs nor uses something")
            check_shell(file, step.get("run", ""))


def docker(file):
    text = re.sub(r"^\s*#.*\n", "", (folder / file).read_text(), flags=re.MULTILINE)
    instructions = [line.split(" ", 1) for line in text.replace("\\\n", "").splitlines() if line.strip()]
    check(file, instructions[0][0] == "FROM", "it does not begin with FROM")
    names_only(file, "a Dockerfile", [name for name, _ in instructions], {"FROM", "COPY", "RUN"})
    for name, rest in instructions:
        if name == "RUN":
            check_shell(file, rest)


docker("Dockerfile")
helm("helm-values.yaml")
terraform("main.tf")
github("github-actions.yaml")
for path in sorted(folder.iterdir()):
    for stale in set(re.findall(r"(?:airlock|kv)-(\d+\.\d+\.\d+)", path.read_text())) - {version}:
        mistakes.append(f"{path.name}: it names version {stale}, and this is {version}")
print("\n".join(mistakes) or "no mistakes")
sys.exit(bool(mistakes))
