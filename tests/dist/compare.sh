#!/bin/sh
# Builds what is shipped twice from the last commit, each time from nothing and in another folder, and compares the bytes
# of everything. Prints the files that differ; the status is 1 if any does. It takes as long as two builds.
set -eu
cd "$(dirname "$0")/../.."
say() { echo "tests/dist/compare.sh: $*" >&2; }

work=target/dist-compare
# Commits that are made meanwhile do not count.
commit=$(git rev-parse HEAD)
rm -rf "$work"
for folder in first another/and-a-longer-name; do
    say "building in $work/$folder"
    mkdir -p "$work/$folder"
    git archive "$commit" | tar -x -C "$work/$folder"
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$commit") KEY='' "$work/$folder/tests/dist/build.sh" >&2
    rm -rf "$work/$folder/target/dist-build"
done
if diff -r "$work/first/target/dist" "$work/another/and-a-longer-name/target/dist" >&2; then
    cat "$work/first/target/dist/"*/SHA256SUMS
    say "both builds are the same, byte by byte"
else
    say "the builds differ"
    exit 1
fi
