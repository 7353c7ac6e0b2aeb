# Tells the compiler and the linker what runs, as `record.sh` has recorded it: that is optimised for speed and lies together, and
# the rest for size. A request then takes 0.7 of the processor's time, and less of the program is resident; see
# docs/performance.md.
#
# `build.sh` and `record.sh` source this file after `compiler.sh`. `use_profile ARCH` sets `profile` to rustc's flags.
#
# The record knows functions by names that contain the compiler's version and those of all crates. So it does nothing for a
# program whose Cargo.lock or compiler is another, and is made anew before each release. A function that has changed since is
# compiled as without a record.

# What names depend on, in lines.
profiled_names() {
    rustc --version
    echo "Cargo.lock $(sha256sum <Cargo.lock | cut -c-64)"
    echo "profiles $(sed -n -e '/^\[profile\.release/,/^$/p' -e '/^\[profile\.dist/,/^$/p' Cargo.toml | sha256sum | cut -c-64)"
}

use_profile() {
    profile=
    recorded=tests/dist/profile/$1
    [ -f "$recorded.xz" ] || { say "nothing is recorded for $1: the program is built without a profile"; return; }
    profiled_names | cmp -s - "$recorded.txt" ||
        say "the profile was recorded for another Cargo.lock, compiler or Cargo.toml, and may do nothing: run 'make dist-profile'"
    mkdir -p "$CARGO_TARGET_DIR"
    unpack "$recorded.xz" .profdata
    profile=-Cprofile-use=$unpacked
    unpack "$recorded.order.xz" .functions
    order=$CARGO_TARGET_DIR/$(cat tests/dist/profile/uncounted.txt "$unpacked" | sha256sum | cut -c-16).order
    cat tests/dist/profile/uncounted.txt "$unpacked" >"$order"
    # A function of the list need not be in the program: most are part of others there.
    profile="$profile -Clink-arg=--symbol-ordering-file=$order -Clink-arg=--no-warn-symbol-ordering"
}

# Unpacks the file $1, and sets `unpacked` to its path, which ends in $2. cargo compiles anew if the path is another, so it
# depends on the content.
unpack() {
    [ -f "$1" ] || die "$1 is missing: restore it with git, or run 'make dist-profile'"
    unpacked=$CARGO_TARGET_DIR/$(sha256sum <"$1" | cut -c-16)$2
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' \
        "$1" "$unpacked.new" 2>/dev/null ||
        die "$1 cannot be unpacked with python3: restore it with git, or run 'make dist-profile'"
    mv "$unpacked.new" "$unpacked"
}
