#!/bin/sh
# Proves that the program of `make dist` runs without a C library: in a root that has only a static busybox, it checks a
# guest, serves mounts to a real Vault, and signs and pushes another guest to it by a name that only DNS knows.
#
#   tests/dist/root.sh [FOLDER]      FOLDER: by default that of this version and machine below target/dist
#
# It needs root, for chroot and namespaces of its own, and a static busybox (Debian: busybox-static). Nothing is reached
# from there but its own loopback interface.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "tests/dist/root.sh: $*" >&2; }
die() { say "$*"; exit 1; }
is_static() { ! readelf --program-headers "$1" | grep -q INTERP; }

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
dist=${1:-target/dist/airlock-$version-$(uname -m)-linux}
[ -x "$dist/airlock" ] || die "$dist/airlock is missing: run make dist"
[ "$(id -u)" = 0 ] || die "this needs root, for chroot"
busybox=$(command -v busybox) && is_static "$busybox" || {
    say "installing Debian's busybox-static (some seconds)"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends busybox-static; } \
        >/dev/null 2>&1 || true
    busybox=$(command -v busybox) && is_static "$busybox" || die "no static busybox here: install busybox-static"
}
vault=$(tests/vault/build.sh)
is_static "$vault" || die "$vault needs a C library itself: build it again (rm $vault), or set AIRLOCK_VAULT"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/bin" "$root/dev" "$root/etc" "$root/plugins" "$root/proc" "$root/tmp"
for device in null:3 zero:5 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
cp "$busybox" "$root/bin/busybox"
chroot "$root" /bin/busybox --install -s /bin
cp "$dist/airlock" "$root/plugins/airlock"
cp "$vault" "$root/bin/vault"
cp "$dist/guests/kv-$version.wasm" "$root/kv.wasm"
cp "$dist/guests/versioned-kv-$version.wasm" "$root/versioned-kv.wasm"
cp tests/dist/in-root.sh "$root/in-root.sh"

# The name server is the only program from outside of the root.
unshare --mount --pid --net --fork sh -c '"$3" ip link set lo up
    python3 tests/dist/dns.py & exec chroot "$1" /bin/env -i PATH=/bin:/plugins VERSION="$2" /bin/sh /in-root.sh' \
    sh "$root" "$version" "$busybox"
say "done: $dist/airlock needs no C library"
