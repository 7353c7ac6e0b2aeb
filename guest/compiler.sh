# Finds a compiler for WebAssembly; scripts that build guests source this file. It tries, in this order, the active
# toolchain's compiler, one that rustup adds, and Debian's own. It sets `target` and defines `compile MANIFEST
# [ARGUMENT…]`, which builds a crate with the profile `guest`.
#
# The script must have defined `say`, which prints a message, and `die`, which prints one and ends the script.

target=wasm32-unknown-unknown

toolchain_has_target() {
    libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) && [ -n "$(ls "$libdir" 2>/dev/null)" ]
}

rustup_adds_target() {
    command -v rustup >/dev/null || return 1
    say "adding the target $target to the Rust toolchain (some seconds)"
    # Without a network, rustup would retry for a long time.
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
    # rustup is preferred. But if Debian's compiler is already installed, then rustup could not add the target before,
    # and asking it again would cost a minute at every build.
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
        # Debian ships only the source of the standard library for this target, and stable Rust builds it only with
        # RUSTC_BOOTSTRAP. Settings for the other toolchain would be wrong for this one.
        env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u RUSTUP_TOOLCHAIN \
            RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
            /usr/bin/cargo build --quiet --profile guest --target "$target" -Zbuild-std=std,panic_abort \
            --manifest-path "$manifest" "$@"
    fi
}
