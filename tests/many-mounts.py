"""Measures what many mounts cost: their start, their memory and their idle CPU time, beside a plugin in Go.

    python3 tests/many-mounts.py VAULT [MOUNTS]     VAULT is the server's program; MOUNTS is 50 by default

It needs `make build` and, for HashiCorp's KV engine as an external plugin, `make vault`. It prints one row of a table for each
plugin and each way to register it. Memory is the proportional set size (PSS), in which a page that several processes share counts once.
"""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent / "target"
TICKS = os.sysconf("SC_CLK_TCK")
IDLE = 10  # seconds
PATIENCE = 120  # seconds; far longer than any step takes


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Vault:
    """A server with raft storage in a directory."""

    def __init__(self, program, directory):
        self.program, self.directory, self.token = program, directory, ""
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            self.port, cluster = one.getsockname()[1], two.getsockname()[1]
        for name in ("data", "plugins", "tmp"):
            (directory / name).mkdir()
        (directory / "config.hcl").write_text(f"""
storage "raft" {{
  path = "{directory}/data"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{self.port}"
cluster_addr = "http://127.0.0.1:{cluster}"
plugin_directory = "{directory}/plugins"
disable_mlock = true
""")

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "server", f"-config={self.directory}/config.hcl"],
            env=os.environ | {"TMPDIR": f"{self.directory}/tmp"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until("the server answers", lambda: self.call("GET", "sys/seal-status"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def call(self, method, path, body=None):
        """Returns the answer, or None if the server or the mount does not give one."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self.token},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read() or b"{}")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def need(self, method, path, body=None):
        answer = self.call(method, path, body)
        if answer is None:
            sys.exit(f"{method} {path} failed")
        return answer


def until(what, done):
    """Waits for something, and ends the program if that does not happen."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            sys.exit(f"gave up after {PATIENCE} s: waited until {what}")
        time.sleep(0.005)


def plugins(server):
    """Returns the processes that the server started."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def pss(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def measure(server, program, arguments, mounts, shared):
    (server.directory / "plugins" / program.name).hardlink_to(program)
    names = ["engine"] if shared else [f"engine-{number}" for number in range(mounts)]
    entry = {"sha256": sha256(program), "command": program.name, "args": arguments}
    server.start()
    keys = server.need("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    server.token = keys["root_token"]

    def unseal():
        server.need("POST", "sys/unseal", {"key": keys["keys"][0]})

    def answers():
        return all(server.call("GET", f"m{number}/a") for number in range(mounts))

    unseal()
    until("the server is unsealed", lambda: server.call("GET", "sys/mounts"))
    for name in names:
        server.need("POST", f"sys/plugins/catalog/secret/{name}", entry)

    def enable():
        for number in range(mounts):
            server.need("POST", f"sys/mounts/m{number}", {"type": names[number % len(names)]})

    enabled = timed(enable)
    for number in range(mounts):
        until(f"mount {number} stores", lambda: server.call("POST", f"m{number}/a", {"value": "1"}) is not None)

    def reload():
        for name in names:
            server.need("PUT", "sys/plugins/reload/backend", {"plugin": name})
        until("all mounts answer after a reload", answers)

    reloaded = timed(reload)
    server.stop()
    server.start()

    def unsealed():
        unseal()
        until("all mounts answer after the unseal", answers)

    ready = timed(unsealed)
    time.sleep(IDLE)  # the host gives memory back after five seconds
    running = plugins(server)
    before = sum(map(cpu, running))
    time.sleep(IDLE)
    idle = (sum(map(cpu, running)) - before) / IDLE
    memory = sum(map(pss, running))
    server.stop()
    return f"{len(running)} | {enabled:.2f} s | {ready:.2f} s | {reloaded:.2f} s | {memory:.0f} MiB | {1000 * idle:.0f} ms/s"


def main():
    program, mounts = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 50
    guest = ROOT / "guests/kv.wasm"
    airlock = ["serve", f"--guest={guest}", f"--guest-sha256={sha256(guest)}"]
    cached = [*airlock, f"--cache-dir={ROOT}/guest-cache"]
    kinds = [
        ("Airlock, `kv`", ROOT / "release/airlock", airlock),
        ("Airlock, `kv`, with `--cache-dir`", ROOT / "release/airlock", cached),
        ("HashiCorp's KV in Go", ROOT / "vault/kv-plugin", []),
    ]
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {mounts} mounts\n")
    print("| engine | processes | enable all | unseal until all answer | reload until all answer | memory of the plugins | idle CPU |")
    print("|---|---|---|---|---|---|---|")
    for name, plugin, arguments in kinds:
        if not plugin.exists():
            continue
        for shared in (True, False):
            directory = pathlib.Path(tempfile.mkdtemp(prefix="many-mounts-", dir=ROOT))
            server = Vault(program, directory)
            try:
                row = measure(server, plugin, arguments, mounts, shared)
                print(f"| {name} | {row} |", flush=True)
            finally:
                server.process.kill()
                server.process.wait()
                shutil.rmtree(directory, ignore_errors=True)


main()
