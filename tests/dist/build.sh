#!/bin/sh
# Builds what is shipped: the folder target/dist/airlock-VERSION-ARCH-linux and its archive beside it. `make dist` calls it.
#
#   tests/dist/build.sh           for this machine's architecture
#   tests/dist/build.sh ARCH      for x86_64 or aarch64. What needs a program that runs here is made by this machine's
#
# KEY=FILE            the secret key, of `airlock keygen` or minisign, that signs each guest (with `airlock sign`) and the
#                     list of digests (with minisign). Without one, nothing is signed, and the script says so
# PASSWORD_FILE=FILE  the password of KEY; without one, the terminal is asked
# SOURCE_DATE_EPOCH   the time that files in the archive have; by default that of the commit
#
# The same sources, Rust and packages give the same bytes, in whatever folder; `tests/dist/compare.sh` compares.
set -eu
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR="$PWD/target/dist-build" LC_ALL=C

say() { echo "tests/dist/build.sh: $*" >&2; }
die() { say "$*"; exit 1; }

here=$(uname -m)
arch=${1:-$here}
case $arch in x86_64 | aarch64) ;; *) die "unknown architecture $arch; usage: tests/dist/build.sh [x86_64 | aarch64]" ;; esac
if [ -n "${KEY:-}" ]; then
    [ -f "$KEY" ] || die "KEY=$KEY is not a file"
    key=$(realpath "$KEY")
    # `airlock sign` signs guests only: what it signs under a name has to say itself that it has that name.
    command -v minisign >/dev/null || die "minisign signs the list of digests: install it (Debian: apt-get install minisign)"
fi

. tests/dist/compiler.sh
. tests/dist/profile.sh
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=airlock-$version-$arch-linux
out=target/dist/$name

# Builds the program and the generator of its manual for an architecture.
build() {
    use_profile "$1"
    use_target "$1" "$profile"
    say "building the program for $triple; the first time takes about 10 minutes on 2 cores"
    build_program
}

build "$here"
native=$CARGO_TARGET_DIR/$triple/dist
[ "$arch" = "$here" ] || build "$arch"
built=$CARGO_TARGET_DIR/$triple/dist

say "building the guests"
AIRLOCK=$native/airlock AIRLOCK_GUESTS=$CARGO_TARGET_DIR/guests guest/build.sh

say "collecting $out"
rm -rf "$out" "$out.tar.gz"
mkdir -p "$out/guests"
cp "$built/airlock" "$out/airlock"
for guest in $(guest/build.sh --list); do
    cp "$CARGO_TARGET_DIR/guests/$guest.wasm" "$out/guests/$guest-$version.wasm"
done
"$native/examples/manual" "$out"
cp -R docs LICENSE README.md SECURITY.md CHANGELOG.md "$out/"
for source in wit/engine.wit guest/kv/src/lib.rs guest/users/src/lib.rs; do
    install -D -m 644 "$source" "$out/$source"
done
# Whoever has only the archive can follow every link.
tests/dist/links.sh "$out"/*.md "$out"/docs/*.md "$out"/docs/*/*.md
"$tools/bin/python" tests/dist/sbom.py "$triple" "$out/airlock.cdx.json"

if [ -n "${KEY:-}" ]; then
    for guest in "$out"/guests/*.wasm; do
        "$native/airlock" sign --key "$key" ${PASSWORD_FILE:+--password-file "$PASSWORD_FILE"} "$guest" >&2
    done
fi
# The digests cover everything, the guests' signatures as well, and are signed themselves.
(cd "$out" && find . -type f | sed 's|^\./||' | sort | xargs sha256sum >"$CARGO_TARGET_DIR/SHA256SUMS" &&
    mv "$CARGO_TARGET_DIR/SHA256SUMS" .)
if [ -n "${KEY:-}" ]; then
    set -- minisign -S -s "$key" -t "$name" -m "$out/SHA256SUMS"
    if [ -n "${PASSWORD_FILE:-}" ]; then "$@" <"$PASSWORD_FILE"; else "$@"; fi >&2
else
    say "nothing is signed: KEY=FILE names the secret key to sign with (airlock keygen)"
fi

find "$out" -type d -exec chmod 755 {} +
find "$out" -type f -exec chmod 644 {} +
chmod 755 "$out/airlock"
tar --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C target/dist \
    -cf "$out.tar" "$name"
gzip -9nf "$out.tar"
say "$out.tar.gz, $(wc -c <"$out.tar.gz" | tr -d ' ') bytes, sha256 $(sha256sum <"$out.tar.gz" | cut -c-64)"
