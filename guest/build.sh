#!/bin/sh
# Builds guests: guest/NAME becomes the component target/guests/NAME.wasm.
#
#   guest/build.sh                builds every guest that ships
#   guest/build.sh --with-tests   also builds the guests that only tests use
#   guest/build.sh NAME…          builds these guests
#   guest/build.sh --list         builds nothing; writes the names of the guests that ship
#
# The script refuses a guest that ships without a scenario. Build the host binary first, because it makes a component of
# the compiler's output. AIRLOCK names another host binary, AIRLOCK_GUESTS another folder for the guests.
set -eu
cd "$(dirname "$0")/.."

build_dir=${CARGO_TARGET_DIR:-target}
out=${AIRLOCK_GUESTS:-target/guests}
airlock=${AIRLOCK:-$build_dir/release/airlock}

say() { echo "guest/build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# A folder is a guest if its crate is a `cdylib`. The marker `test-only` keeps guests that misbehave by design out of a
# release.
guests() {
    for manifest in guest/*/Cargo.toml; do
        grep -q '"cdylib"' "$manifest" || continue
        [ "$1" = all ] || ! grep -q '^test-only = true' "$manifest" || continue
        basename "$(dirname "$manifest")"
    done
}

case ${1-} in
    '') names=$(guests shipped) ;;
    --with-tests) names=$(guests all) ;;
    --list) guests shipped; exit ;;
    -*) die "unknown option $1; usage: guest/build.sh [--with-tests | --list | NAME…]" ;;
    *) names=$* ;;
esac
for name in $names; do
    [ -f "guest/$name/Cargo.toml" ] || die "no guest named $name: there is no guest/$name/Cargo.toml"
done
# Every guest that ships needs a scenario, which tests the .wasm itself.
for name in $names; do
    grep -q '^test-only = true' "guest/$name/Cargo.toml" || ls "guest/$name/scenarios/"*.toml >/dev/null 2>&1 ||
        die "guest/$name has no test: write guest/$name/scenarios/NAME.toml, see 'airlock test --help'"
done
[ -x "$airlock" ] || die "$airlock is missing; run 'make build', or set AIRLOCK"

. guest/compiler.sh

mkdir -p "$out"
for name in $names; do
    manifest=guest/$name/Cargo.toml
    package=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$manifest" | head -n 1)
    module=$build_dir/$target/guest/$(echo "$package" | tr - _).wasm
    compile "$manifest" --locked
    "$airlock" componentize "$module" -o "$out/$name.wasm"
    say "$out/$name.wasm, $(wc -c <"$out/$name.wasm" | tr -d ' ') bytes"
done
