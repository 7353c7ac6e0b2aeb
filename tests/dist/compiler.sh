# Finds what builds a program that needs no C library of the machine that it runs on; `build.sh` sources this file. Rust's
# standard library for musl comes from rustup, Rust's own linker joins the program, and the C code of the cryptography is
# compiled by zig, which PyPI has as a package and which knows every target. So neither root nor a cross compiler is
# needed, and each machine compiles with the same version.
#
# The script must have defined `say`, which prints a message, and `die`, which prints one and ends the script. `use_target
# ARCH [FLAGS]` sets `triple` and what cargo needs to build for it, with more of rustc's flags. `build_program` builds it.

tools=$PWD/target/dist-tools

rust_has() { libdir=$(rustc --print target-libdir --target "$1" 2>/dev/null) && [ -n "$(ls "$libdir" 2>/dev/null)" ]; }

get_rust() {
    rust_has "$1" && return
    say "adding the target $1 to the Rust toolchain (some seconds)"
    { command -v rustup && timeout 300 rustup target add "$1"; } >/dev/null 2>&1 && rust_has "$1" ||
        die "Rust has no standard library for $1: run 'rustup target add $1'"
}

get_tools() {
    [ ! -f "$tools/complete" ] || [ tests/dist/requirements.txt -nt "$tools/complete" ] || return 0
    say "getting zig and what validates an SBOM from PyPI (about a minute)"
    rm -rf "$tools"
    { python3 -m venv "$tools" &&
        "$tools/bin/pip" install --quiet --disable-pip-version-check -r tests/dist/requirements.txt; } >&2 ||
        die "this needs Python 3.11 with its venv module (Debian: apt-get install python3-venv), and PyPI"
    touch "$tools/complete"
}

# Writes standard input to a program, unless it is that already: cargo would compile everything anew that it had compiled
# with it.
write_program() {
    cat >"$1.new"
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else chmod +x "$1.new" && mv "$1.new" "$1"; fi
}

use_target() {
    triple=$1-unknown-linux-musl
    get_rust "$triple"
    get_tools
    zig=$(find "$tools"/lib/python3*/site-packages/ziglang -maxdepth 1 -name zig)
    wrappers=$CARGO_TARGET_DIR/$1-tools
    mkdir -p "$wrappers"
    # Crates name the target as Rust does, which zig does not understand.
    write_program "$wrappers/zig-cc" <<END
#!/bin/sh
for argument do
    shift
    case \$argument in --target=*) ;; *) set -- "\$@" "\$argument" ;; esac
done
exec "$zig" cc -target $1-linux-musl "\$@"
END
    write_program "$wrappers/zig-ar" <<END
#!/bin/sh
exec "$zig" ar "\$@"
END
    export ZIG_GLOBAL_CACHE_DIR="$CARGO_TARGET_DIR/zig-cache" ZIG_LOCAL_CACHE_DIR="$CARGO_TARGET_DIR/zig-cache"

    lower=$(echo "$triple" | tr - _)
    upper=$(echo "$lower" | tr a-z A-Z)
    export "CC_$lower=$wrappers/zig-cc" "AR_$lower=$wrappers/zig-ar"
    # So that the bytes do not depend on where the sources, the crates and the compiler lie.
    remap="--remap-path-prefix=$PWD=/airlock --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    export "CARGO_TARGET_${upper}_LINKER=rust-lld"
    # Most addresses that a start has to adjust are then 1 bit in the file, and not 24 bytes.
    packed="-Clink-arg=-z -Clink-arg=pack-relative-relocs"
    # Calls of another crate are then direct, where "full" has rustc fetch each address from a table that a start adjusts. The
    # protection is that of "full", because with `-z now` the linker marks the same memory as read-only after the start.
    direct="-Crelro-level=partial -Clink-arg=-z -Clink-arg=now"
    export "CARGO_TARGET_${upper}_RUSTFLAGS=-Clinker-flavor=ld.lld $packed $direct $remap ${2:-}"
    # The variable replaces the flags for guests in .cargo/config.toml.
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$remap --cfg getrandom_backend=\"custom\""
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
}

# Builds the program and the generator of its manual. Nothing else is built with it, so the program has no feature of a library
# that only a test needs.
build_program() {
    cargo build --locked --profile dist --target "$triple" --package airlock --bin airlock --example manual
}
