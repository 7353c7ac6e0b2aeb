# Finds a compiler for WebAssembly; scripts that build guests source this file. It looks for the active toolchain's compiler,
# then for Debian's own. If it finds neither, it names the command that installs one, and asks on a terminal before it runs
# that. It sets `target` and defines `compile MANIFEST [ARGUMENT…]`, which builds a crate with the profile `guest`.
#
# AIRLOCK_INSTALL=yes installs without a question, for CI; AIRLOCK_INSTALL=no never installs or asks.
#
# The script must have defined `say`, which prints a message, and `die`, which prints one and ends the script.

target=wasm32-unknown-unknown

toolchain_has_target() {
    libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) && [ -n "$(ls "$libdir" 2>/dev/null)" ]
}

debian_has_compiler() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -x /usr/bin/wasm-ld-19 ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]
}

# Sets `compiler`. The toolchain comes first. Debian's is there only if the toolchain could not get the target before.
find_compiler() {
    if toolchain_has_target; then compiler=toolchain; elif debian_has_compiler; then compiler=debian; else return 1; fi
}

# Runs `COMMAND`, which changes the machine, if its owner allows that: install_with COMMAND TIME SECONDS. The time is told, and
# after the seconds the command is given up.
install_with() {
    needed="no compiler for $target here; this installs one, in about $2: $1"
    case ${AIRLOCK_INSTALL:-ask} in
        yes) say "$needed" ;;
        ask)
            [ -t 0 ] && [ -t 2 ] || die "$needed (run it, or set AIRLOCK_INSTALL=yes)"
            say "$needed"
            printf 'Run it now? [y/N] ' >&2
            read -r answer || answer=
            case $answer in [yY] | [yY]es) ;; *) die "nothing was installed" ;; esac
            ;;
        no) die "$needed" ;;
        *) die "AIRLOCK_INSTALL must be yes or no, not '$AIRLOCK_INSTALL'" ;;
    esac
    log=$(mktemp)
    if DEBIAN_FRONTEND=noninteractive timeout --foreground "$3" sh -c "$1" >"$log" 2>&1 && find_compiler; then
        rm -f "$log"
    else
        say "that failed:"
        tail -n 5 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

install_from_rustup() {
    # Without a network, rustup would retry for a long time.
    command -v rustup >/dev/null && install_with "rustup target add $target" "10 seconds" 60
}

install_from_debian() {
    command -v apt-get >/dev/null || return 1
    root=
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && root="sudo "; } || return 1
    packages="rustc-web cargo-web rust-web-src lld-19"
    install_with "${root}apt-get update && ${root}apt-get install -y --no-install-recommends $packages" "a minute" 600
}

find_compiler || install_from_rustup || install_from_debian ||
    die "no compiler for $target: install the standard library of that target for your Rust toolchain"

compile() {
    manifest=$1
    shift
    quiet=--quiet
    if [ ! -d "${CARGO_TARGET_DIR:-target}/$target/guest" ]; then
        quiet=
        say "compiling the libraries of guests as well, which takes 1 to 3 minutes this first time"
    fi
    if [ "$compiler" = toolchain ]; then
        # RUSTFLAGS are for programs of this machine, and would replace those of the project's .cargo/config.toml.
        env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS \
            cargo build $quiet --profile guest --target "$target" --manifest-path "$manifest" "$@"
    else
        # Debian ships only the source of the standard library for this target, and stable Rust builds it only with
        # RUSTC_BOOTSTRAP. Settings for the other toolchain would be wrong for this one.
        env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u RUSTUP_TOOLCHAIN \
            RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
            /usr/bin/cargo build $quiet --profile guest --target "$target" -Zbuild-std=std,panic_abort \
            --manifest-path "$manifest" "$@"
    fi
}
