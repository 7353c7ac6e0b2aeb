#!/usr/bin/env bash
# Runs rustc for the workspace's own crates (RUSTC_WORKSPACE_WRAPPER), and adds the coverage that libFuzzer follows and
# the arithmetic checks that a release build leaves out. The libraries of others stay as an ordinary build made them.
# The passes are LLVM's; a stable compiler has them.
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
