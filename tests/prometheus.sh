#!/bin/sh
# Prints the path of a Prometheus. Without one, it unpacks Debian's package, and installs nothing, below target/prometheus.
set -eu
fallback=$(cd "$(dirname "$0")/.." && pwd -P)/target/prometheus

say() { echo "tests/prometheus.sh: $*" >&2; }

for prometheus in "$(command -v prometheus || true)" "$fallback/usr/bin/prometheus"; do
    if [ -n "$prometheus" ] && "$prometheus" --version >/dev/null 2>&1; then
        echo "$prometheus"
        exit
    fi
done

say "no Prometheus here: getting Debian's (25 MB, once)"
mkdir -p "$fallback"
cd "$fallback"
# A new machine has no list of packages yet.
{ apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } >/dev/null 2>&1 || true
for package in prometheus_*.deb; do
    if [ -f "$package" ] && dpkg-deb --extract "$package" . && usr/bin/prometheus --version >/dev/null 2>&1; then
        rm -f "$package"
        echo "$fallback/usr/bin/prometheus"
        exit
    fi
done
say "the alerts are not tried without a Prometheus: install it (Debian: apt-get install prometheus)"
exit 1
