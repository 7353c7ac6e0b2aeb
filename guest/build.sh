#!/bin/sh
# Builds guests: guest/NAME becomes the component target/guests/NAME.wasm.
#
#   guest/build.sh                every guest that ships
#   guest/build.sh --with-tests   and those that only tests use
#   guest/build.sh NAME…          these
#
# It finds itself a compiler for WebAssembly, in this order: the active toolchain's, one that rustup adds, Debian's
# own. The host binary must have been built: it wraps what the compiler wrote as a component. AIRLOCK names another.
set -eu
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
build_dir=${CARGO_TARGET_DIR:-target}
out=target/guests
airlock=${AIRLOCK:-$build_dir/release/airlock}

say() { echo "guest/build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# A folder is a guest if it links to a component; the marker keeps one that is made to misbehave out of a release.
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
    -*) die "unknown option $1; usage: guest/build.sh [--with-tests | NAME…]" ;;
    *) names=$* ;;
esac
for name in $names; do
    [ -f "guest/$name/Cargo.toml" ] || die "no guest named $name: there is no guest/$name/Cargo.toml"
done
[ -x "$airlock" ] || die "$airlock is missing; run 'cargo build --release -p airlock' first, or set AIRLOCK"

toolchain_has_target() {
    libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) && [ -n "$(ls "$libdir" 2>/dev/null)" ]
}

rustup_adds_target() {
    command -v rustup >/dev/null || return 1
    say "adding the target $target to the Rust toolchain (some seconds)"
    # rustup keeps trying for long where it has no network.
    timeout 60 rustup target add "$target" >/dev/null 2>&1 && toolchain_has_target
}

debian_has_compiler() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -x /usr/bin/wasm-ld-19 ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]
}

debian_adds_compiler() {
    command -v apt-get >/dev/null || return 1
    sudo=
    [ "$(id -u)" = 0 ] || { sudo="sudo -n"; $sudo true 2>/dev/null || return 1; }
    say "installing Debian's WebAssembly compiler (rustc-web cargo-web rust-web-src lld-19; about a minute)"
    log=$(mktemp)
    if { $sudo apt-get update && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends \
        rustc-web cargo-web rust-web-src lld-19; } >"$log" 2>&1 && debian_has_compiler; then
        rm -f "$log"
    else
        tail -n 5 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

if toolchain_has_target; then
    compiler=toolchain
elif debian_has_compiler || rustup_adds_target; then
    # rustup comes first wherever it can: but where Debian's compiler is there already, somebody put it there because
    # it could not, and asking again would cost a minute at every build.
    if toolchain_has_target; then compiler=toolchain; else compiler=debian; fi
elif debian_adds_compiler; then
    compiler=debian
else
    die "no compiler for $target: run 'rustup target add $target', or as root 'apt-get install rustc-web cargo-web rust-web-src lld-19'"
fi

compile() {
    if [ "$compiler" = toolchain ]; then
        cargo build --quiet --profile guest --target "$target" --manifest-path "$1"
    else
        # Debian ships no compiled standard library for this target, only its source, which stable Rust builds only if
        # told to. Settings made for the other toolchain would be wrong for this one.
        env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u RUSTUP_TOOLCHAIN \
            RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
            /usr/bin/cargo build --quiet --profile guest --target "$target" -Zbuild-std=std,panic_abort \
            --manifest-path "$1"
    fi
}

mkdir -p "$out"
[ -d "$build_dir/$target/guest" ] || say "building the guests, which for the first time takes 2 to 3 minutes"
for name in $names; do
    manifest=guest/$name/Cargo.toml
    package=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$manifest" | head -n 1)
    module=$build_dir/$target/guest/$(echo "$package" | tr - _).wasm
    compile "$manifest"
    "$airlock" componentize "$module" -o "$out/$name.wasm"
    say "$out/$name.wasm, $(wc -c <"$out/$name.wasm" | tr -d ' ') bytes"
done
