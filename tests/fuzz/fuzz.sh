#!/usr/bin/env bash
# Fuzzes one target, or each target after the other, with libFuzzer: fuzz.sh SECONDS [TARGET]. Each gets that many
# seconds.
#
# The results are below target/fuzz/TARGET. `corpus` has the inputs that reach more code than the inputs in the
# repository, `crashes` those that break a property or take too long, and `log` the output of libFuzzer. The inputs in
# the repository are read but not changed. If any target has crashes, the script ends with an error after it has fuzzed
# all targets.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?for how many seconds each target is fuzzed}
targets=${2:-$(ls tests/fuzz/corpus)}

for target in $targets; do
	[ -d "tests/fuzz/corpus/$target" ] || {
		echo "make fuzz: TARGET=$target is not a target; choose one of: $(ls tests/fuzz/corpus | tr '\n' ' ')" >&2
		exit 1
	}
done

command -v c++ >/dev/null || {
	echo "make fuzz: needs a C++ compiler for libFuzzer, such as Debian's g++" >&2
	exit 1
}

# Builds the whole workspace, with the features of all tests, so that third-party libraries are not built a second time.
libfuzzer() {
	RUSTC_WORKSPACE_WRAPPER="$PWD/tests/fuzz/instrument.sh" \
		"${CARGO:-cargo}" test --release --locked --workspace --features airlock-fuzz/libfuzzer --test libfuzzer "$@"
}
libfuzzer --no-run

failed=()
for target in $targets; do
	found=$PWD/target/fuzz/$target
	mkdir -p "$found/corpus" "$found/crashes"
	echo "make fuzz: $target for $seconds s; see ${found#"$PWD"/}"
	AIRLOCK_FUZZ_TARGET=$target libfuzzer -- \
		-max_total_time="$seconds" -artifact_prefix="$found/crashes/" -print_final_stats=1 \
		-timeout=30 -rss_limit_mb=4096 \
		"$found/corpus" "$PWD/tests/fuzz/corpus/$target" >"$found/log" 2>&1 || failed+=("$target")
	grep -E '^#[0-9]+.*(INITED|DONE)|^stat::number_of_executed_units|^SUMMARY|panicked' "$found/log" | tail -n 4 || true
done

if ((${#failed[@]})); then
	echo "make fuzz: found something in ${failed[*]}; repeat it with make fuzz-repeat TARGET=… INPUT=target/fuzz/…/crashes/…" >&2
	exit 1
fi
