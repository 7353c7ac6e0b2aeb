"""Builds each crate of docs/crates.md into a guest of its own, runs it, and prints the page's table.

    python3 tests/crates/measure.py [NAME…]      all crates, or those of these names

It needs Python 3.11, the host binary (target/release/airlock, or AIRLOCK), a compiler for WebAssembly (see guest/compiler.sh) and
crates.io. The guests are made below target/crates. Each time is the median of some runs on this machine.
"""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROJECT = ROOT / "target/crates/tried"
AIRLOCK = str(pathlib.Path(os.environ.get("AIRLOCK", ROOT / "target/release/airlock")).resolve())
ENVIRONMENT = {**os.environ, "AIRLOCK": AIRLOCK, "CARGO_TARGET_DIR": str(ROOT / "target/crates/build")}

ENGINE = """use airlock_sdk::{Context, Description, Engine, Response, Result, Routes, json, route};
%(uses)s
airlock_sdk::export!(Tried);
%(bits)s
struct Tried;
impl Engine for Tried {
    const DESCRIPTION: Description = Description::new("tried", "0.1.0", "Runs a crate.");
    const ROUTES: Routes = &[&route("run").synopsis("Runs it.").read(answer)];
}
fn answer(cx: &Context, _: ()) -> Result<Response> {
    Response::json(&json!({ "result": run(cx) }))
}
#[allow(unused_variables)]
fn run(cx: &Context) -> impl serde::Serialize {
    %(run)s
}
"""
NOTHING = {"name": "none", "dependencies": [], "operation": "nothing", "run": "0"}


def new_project():
    shutil.rmtree(PROJECT, ignore_errors=True)
    PROJECT.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([AIRLOCK, "new", "tried", "--path", PROJECT], check=True, stdout=subprocess.DEVNULL)
    manifest = (PROJECT / "Cargo.toml").read_text()
    sdk = 'airlock-sdk = { path = "vendor/airlock/guest/sdk"'
    assert sdk in manifest
    return manifest.replace(sdk, sdk + ', features = ["rand_core", "getrandom"]')


def build(manifest, crate, bits):
    """Builds the guest. Returns why it could not be built, or nothing."""
    above = "[dependencies]\n"
    dependencies = above + "\n".join(crate["dependencies"]) + "\n"
    (PROJECT / "Cargo.toml").write_text(manifest.replace(above, dependencies, 1))
    constant = f"const BITS: usize = {bits};" if bits else ""
    engine = ENGINE % {"uses": crate.get("uses", ""), "run": crate["run"], "bits": constant}
    (PROJECT / "src/lib.rs").write_text(engine)
    built = subprocess.run([PROJECT / "build.sh"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    return built.stderr if built.returncode else None


def run(calls):
    """Returns the CPU times in milliseconds, and the most memory in KiB."""
    times, memory = [], 0
    for _ in range(calls):
        command = [AIRLOCK, "call", PROJECT / "target/tried.wasm", "read", "run", "--usage", "--cpu-ms=60000", "--wall-ms=120000"]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        times.append(float(re.search(r"^cpu +([0-9.]+) ms$", usage, re.M)[1]))
        memory = max(memory, int(re.search(r"^memory +([0-9]+) KiB$", usage, re.M)[1]))
    return times, memory


def row(crate, bits, figures):
    version = ", ".join(re.search(r"=([0-9.]+)", line)[1] for line in crate["dependencies"])
    cells = [crate["name"], version, crate.get("works", "yes"), *figures]
    operation = crate.get("operation", "")
    cells.insert(4, operation.replace("2,048", f"{bits:,}") if bits else operation)
    print("| " + " | ".join(cells) + " |", flush=True)


def main(names):
    crates = tomllib.loads((HERE / "crates.toml").read_text())["crate"]
    manifest = new_project()
    print("| crate | version | works | bytes | one operation | CPU | memory |\n|---|---|---|---|---|---|---|")
    for crate in [NOTHING, *crates]:
        if names and crate["name"] not in names:
            continue
        for bits in crate.get("bits", [None]):
            failure = build(manifest, crate, bits)
            refusal = crate.get("refused")
            if refusal and not failure:
                sys.exit(f"{crate['name']}: it was built, and was to be refused with {refusal!r}")
            if failure and (not refusal or refusal not in failure):
                sys.exit(f"{crate['name']}: {failure}")
            if failure:
                row(crate, bits, ["", "", ""])
                continue
            size = f"{(PROJECT / 'target/tried.wasm').stat().st_size:,}"
            times, memory = run(15 if bits else 5)
            cpu = f"{statistics.median(times):.2f} ms"
            if bits:
                cpu = f"{statistics.median(times):,.0f} ms ({min(times):,.0f} to {max(times):,.0f} ms)"
            row(crate, bits, [size, cpu, f"{memory:,} KiB"])


main(sys.argv[1:])
