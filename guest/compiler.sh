# Finds a compiler for WebAssembly, for scripts that build guests to source. In this order: the active toolchain's, one
# that rustup adds, Debian's own. Sets `target`; `compile MANIFEST [ARGUMENT…]` then builds a crate with the profile
# `guest`.
#
# The script must have defined `say`, which tells the user something, and `die`, which does so and ends.

target=wasm32-unknown-unknown

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
    manifest=$1
    shift
    if [ "$compiler" = toolchain ]; then
        cargo build --quiet --profile guest --target "$target" --manifest-path "$manifest" "$@"
    else
        # Debian ships no compiled standard library for this target, only its source, which stable Rust builds only if
        # told to. Settings made for the other toolchain would be wrong for this one.
        env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u RUSTUP_TOOLCHAIN \
            RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
            /usr/bin/cargo build --quiet --profile guest --target "$target" -Zbuild-std=std,panic_abort \
            --manifest-path "$manifest" "$@"
    fi
}
