#!/usr/bin/env bash
# Wraps rustc for the workspace's own crates (RUSTC_WORKSPACE_WRAPPER). It adds the coverage counters that libFuzzer
# reads, and the arithmetic checks that a release build leaves out. Third-party libraries are those of an ordinary
# build. The passes are LLVM's; a stable compiler has them.
set -euo pipefail

case " $* " in
*" --crate-name build_script_"* | *" proc-macro "* | *" -vV "* | *" --print"*) exec "$@" ;;
esac
exec "$@" \
	--cfg fuzzing \
	-Cdebug-assertions=on -Coverflow-checks=on -Ccodegen-units=1 \
	-Cpasses=sancov-module \
	-Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
	-Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
