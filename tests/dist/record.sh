#!/bin/sh
# Records what starts and requests run, for `profile.sh`: builds the program of this machine's architecture with counters in it,
# sends it the requests of the benchmark, and writes to tests/dist/profile what ran how often (ARCH.xz), the functions that ran,
# most frequent first (ARCH.order.xz), and for which compiler, Cargo.lock and profiles that is (ARCH.txt). `make dist-profile` calls
# it. It takes about 20 minutes on 2 cores, and 5 more if Vault is not built yet. Nothing of the machine is recorded but how often
# which function ran.
set -eu
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR="$PWD/target/dist-profile" LC_ALL=C

say() { echo "tests/dist/record.sh: $*" >&2; }
die() { say "$*"; exit 1; }

. tests/dist/compiler.sh
. tests/dist/profile.sh

arch=$(uname -m)
counts=$CARGO_TARGET_DIR/counts
recorded=tests/dist/profile/$arch

merge=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/llvm-profdata
if [ ! -x "$merge" ]; then
    say "adding llvm-tools to the Rust toolchain (some seconds)"
    { timeout 300 rustup component add llvm-tools >/dev/null 2>&1 && [ -x "$merge" ]; } ||
        die "Rust's llvm-profdata is missing: run 'rustup component add llvm-tools'"
fi

mkdir -p "$CARGO_TARGET_DIR" tests/dist/profile
# The record is of what is built now.
profiled_names >"$CARGO_TARGET_DIR/names"
use_target "$arch" "-Cprofile-generate=$counts"
say "building the program with counters; the first time takes about 15 minutes on 2 cores"
build_program
program=$CARGO_TARGET_DIR/$triple/dist/airlock

say "building what it serves, and what sends it requests"
AIRLOCK=$program AIRLOCK_GUESTS=$CARGO_TARGET_DIR/guests guest/build.sh
mkdir -p "$CARGO_TARGET_DIR/bench"
for guest in kv versioned-kv; do
    "$program" bundle --force --guest="$CARGO_TARGET_DIR/guests/$guest.wasm" -o "$CARGO_TARGET_DIR/bench/airlock-$guest" >/dev/null
done
(cd tests/vault/bench && "$(../../go.sh)" build -tags minimal -trimpath -o "$CARGO_TARGET_DIR/bench/bench" .)
mkdir -p "$CARGO_TARGET_DIR/vault"
ln -sf "$(tests/vault/build.sh)" "$CARGO_TARGET_DIR/vault/vault"

# Vault fills in more of each request than go-plugin's client does, so both count.
say "sending requests (two minutes)"
rm -rf "$counts"
"$CARGO_TARGET_DIR/bench/bench" -target="$CARGO_TARGET_DIR" -out="$CARGO_TARGET_DIR/bench/figures.json" -seconds=4 \
    -program="$program" -engines="kv-airlock kv-bundle kv2-airlock kv2-bundle" >&2

profiled_names | cmp -s - "$CARGO_TARGET_DIR/names" || die "Cargo.lock, the compiler or Cargo.toml changed meanwhile: start again"
"$merge" merge -o "$CARGO_TARGET_DIR/merged.profdata" "$counts"/*.profraw
"$merge" show --all-functions --counts "$CARGO_TARGET_DIR/merged.profdata" >"$CARGO_TARGET_DIR/merged.counts"
python3 tests/dist/order.py <"$CARGO_TARGET_DIR/merged.counts" >"$CARGO_TARGET_DIR/merged.order"
for what in profdata:xz order:order.xz; do
    python3 -c 'import lzma, shutil, sys
with lzma.open(sys.argv[2], "wb", preset=9 | lzma.PRESET_EXTREME) as packed: shutil.copyfileobj(open(sys.argv[1], "rb"), packed)' \
        "$CARGO_TARGET_DIR/merged.${what%%:*}" "$CARGO_TARGET_DIR/merged.xz"
    mv "$CARGO_TARGET_DIR/merged.xz" "$recorded.${what#*:}"
done
mv "$CARGO_TARGET_DIR/names" "$recorded.txt"
say "$recorded.xz, $(wc -c <"$recorded.xz" | tr -d ' ') bytes: commit it, with $recorded.order.xz and $recorded.txt"
