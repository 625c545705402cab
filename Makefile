# Every command that working on Socklet needs; `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# What `make run` serves; override with `make run CONFIG=my.toml`.
CONFIG ?= plugins/demo/socklet.toml

# How long `make fuzz` runs each target.
FUZZ_SECONDS ?= 60

TOOLS := .tools
WASM := --locked --release --target wasm32-wasip2
# Always inside the clone, where the host looks for the components: --target-dir wins over CARGO_TARGET_DIR.
IN_PLUGINS := --manifest-path plugins/Cargo.toml --target-dir plugins/target
IN_GUESTS := --manifest-path tests/guests/Cargo.toml --target-dir tests/guests/target
IN_BENCH := --manifest-path tests/bench/Cargo.toml --target-dir tests/bench/target
BENCH := tests/bench/target/release/bench

.PHONY: help run build plugins guests test conformance bench bench-quick bench-docs bench-build fuzz dist dist-test licences \
	lint fmt clean setup setup-rust setup-system setup-python setup-node setup-autobahn setup-promtool \
	setup-schemathesis setup-fuzz setup-dist setup-c setup-go setup-js setup-python-plugins conformance-plugins

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: setup-rust plugins ## Build and serve the demo (CONFIG=file serves another configuration)
	cargo run --locked --package socklet -- serve $(CONFIG)

build: setup-rust ## Build the host
	cargo build --workspace --locked

plugins: setup-rust ## Build the stock plugins as WebAssembly components
	cargo build $(IN_PLUGINS) $(WASM) --workspace

guests: setup-rust ## Build the components that the tests run
	cargo build $(IN_GUESTS) $(WASM) --examples

test: setup plugins guests ## Install what is missing and run every test
	cargo test --workspace --locked --no-fail-fast
	cargo test $(IN_PLUGINS) --workspace --locked --no-fail-fast
	cargo test $(IN_BENCH) --package bench --locked --no-fail-fast
	@if [ -e $(TOOLS)/autobahn.skipped ]; then echo "!!! SKIPPED: Autobahn test suite: $$(cat $(TOOLS)/autobahn.skipped)"; fi
	@if [ -e $(TOOLS)/promtool.skipped ]; then echo "!!! SKIPPED: rules and dashboard: $$(cat $(TOOLS)/promtool.skipped)"; fi

conformance: setup plugins ## Run all cases of the Autobahn test suite, ten minutes
	cargo test --workspace --locked --test it -- --ignored --exact clients::autobahn_finds_nothing_in_all_of_its_cases
	@if [ -e $(TOOLS)/autobahn.skipped ]; then echo "!!! SKIPPED: Autobahn test suite: $$(cat $(TOOLS)/autobahn.skipped)"; fi

conformance-plugins: setup setup-go plugins guests ## Build the example plugins in every language, and have them keep the same conversations
	cargo test --workspace --locked --test it languages:: -- --include-ignored

bench: bench-build ## Measure Socklet beside native servers, twenty minutes on a quiet machine
	$(BENCH) run --mode full

bench-quick: bench-build ## Measure what there are targets for, in fewer rounds
	$(BENCH) run --mode quick

bench-docs: ## Put the results of the last `make bench` into host/docs/performance.md
	$(BENCH) report --write tests/bench/results/full.json

bench-build: setup-rust setup-node plugins guests ## Build what `make bench` measures, and what measures it
	@tests/setup/system.sh strace || echo "without strace no system calls are counted"
	cargo build --release --locked --package socklet --package socklet-plugin --bin socklet --example asleep --target-dir target
	cargo build $(IN_BENCH) --locked --release
	cargo build $(IN_BENCH) --locked --profile guest --target wasm32-wasip2 --package broadcast --package remember

fuzz: setup-fuzz ## Fuzz the framing and inflating, each for FUZZ_SECONDS
	@for target in framing inflate; do \
		mkdir -p tests/fuzz/corpus/$$target; \
		PATH="$(CURDIR)/$(TOOLS)/fuzz/bin:$$PATH" cargo +nightly fuzz run --fuzz-dir tests/fuzz $$target \
			tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1; \
	done

dist: licences ## Make what is shipped: tarball, Debian package, licenses, bill of materials, in target/dist
	built=$$(host/dist/compile.sh) && host/dist/build.sh $$built

dist-test: dist setup-python ## Install what is shipped below a folder, and try it
	tests/dist/check.sh

licences: setup-dist ## Check licenses, sources and bans of every crate (deny.toml)
	for manifest in Cargo.toml plugins/Cargo.toml; do \
		$(TOOLS)/bin/cargo-deny --locked --config deny.toml --manifest-path $$manifest check --hide-inclusion-graph licenses bans sources; \
	done

lint: setup-rust ## Check formatting and lints, warnings are errors
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path plugins/Cargo.toml
	cargo fmt --all --check --manifest-path tests/guests/Cargo.toml
	cargo fmt --all --check --manifest-path tests/bench/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy $(IN_PLUGINS) $(WASM) --workspace --all-targets -- -D warnings
	cargo clippy $(IN_GUESTS) $(WASM) --all-targets -- -D warnings
	cargo clippy $(IN_BENCH) --all-targets --locked -- -D warnings
	cargo clippy $(IN_BENCH) --profile guest --target wasm32-wasip2 --package broadcast --package remember --locked -- -D warnings

fmt: setup-rust ## Format all Rust code
	cargo fmt --all
	cargo fmt --all --manifest-path plugins/Cargo.toml
	cargo fmt --all --manifest-path tests/guests/Cargo.toml
	cargo fmt --all --manifest-path tests/bench/Cargo.toml

clean: ## Remove what was built and what `make setup` put into this clone
	rm -rf target plugins/target tests/bench/target tests/guests/target tests/clients/node_modules plugins/examples/node_modules $(TOOLS)

# The languages among them are those whose plugins the tests build.
setup: setup-rust setup-system setup-python setup-node setup-autobahn setup-promtool setup-schemathesis setup-c setup-js setup-python-plugins ## Install what the tests need, only what is missing

# What belongs to the machine is looked at every time, in milliseconds; what belongs to this clone has a stamp.
setup-rust:
	@tests/setup/system.sh cc
	@tests/setup/rust.sh

setup-system:
	@tests/setup/system.sh cc chromium curl fonts haproxy nginx node npm openssl venv

setup-dist: $(TOOLS)/dist.stamp
	@tests/setup/system.sh dpkg-shlibdeps

# What plugins in a language are built with.
setup-c:
	@tests/setup/system.sh wasm-c

setup-go: $(TOOLS)/go.stamp
setup-js: $(TOOLS)/js.stamp
setup-python-plugins: $(TOOLS)/componentize-py.stamp

setup-fuzz: $(TOOLS)/fuzz.stamp
setup-python: $(TOOLS)/python.stamp
setup-node: $(TOOLS)/node.stamp
setup-autobahn: $(TOOLS)/autobahn.stamp
setup-promtool: $(TOOLS)/promtool.stamp
setup-schemathesis: $(TOOLS)/schemathesis.stamp

$(TOOLS)/fuzz.stamp: tests/setup/fuzz.sh | setup-rust
	@tests/setup/fuzz.sh
	@touch $@

$(TOOLS)/dist.stamp: tests/setup/dist.sh | setup-rust
	@tests/setup/dist.sh
	@touch $@

$(TOOLS)/python.stamp: tests/setup/python.sh tests/setup/requirements.txt | setup-system
	@tests/setup/python.sh python tests/setup/requirements.txt
	@touch $@

$(TOOLS)/schemathesis.stamp: tests/setup/python.sh tests/setup/requirements-schemathesis.txt | setup-system
	@tests/setup/python.sh schemathesis tests/setup/requirements-schemathesis.txt
	@touch $@

$(TOOLS)/go.stamp: tests/setup/python.sh tests/setup/requirements-go.txt | setup-system
	@tests/setup/python.sh go tests/setup/requirements-go.txt
	@touch $@

$(TOOLS)/node.stamp: tests/setup/node.sh tests/clients/package.json tests/clients/package-lock.json | setup-system
	@tests/setup/node.sh
	@touch $@

$(TOOLS)/js.stamp: tests/setup/js.sh plugins/examples/package.json plugins/examples/package-lock.json | setup-system
	@tests/setup/js.sh
	@touch $@

$(TOOLS)/componentize-py.stamp: tests/setup/python.sh tests/setup/requirements-componentize-py.txt | setup-system
	@tests/setup/python.sh componentize-py tests/setup/requirements-componentize-py.txt
	@touch $@

$(TOOLS)/promtool.stamp: tests/setup/promtool.sh
	@tests/setup/promtool.sh
	@if [ ! -e $(TOOLS)/promtool.skipped ]; then touch $@; fi

# Without CPython 2.7 there is no stamp, so that the next run looks again.
$(TOOLS)/autobahn.stamp: tests/setup/autobahn.sh tests/setup/requirements-autobahn.txt $(TOOLS)/python.stamp | setup-system
	@tests/setup/autobahn.sh
	@if [ ! -e $(TOOLS)/autobahn.skipped ]; then touch $@; fi
