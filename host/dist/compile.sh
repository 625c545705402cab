#!/usr/bin/env bash
# Builds the program and the stock plugins as they are shipped, into TARGET/release and TARGET-PLUGINS below Cargo's target folder:
# the same from whichever folder, with nothing in them that says where it was.
#
# Prints the three folders that build.sh takes it from: triple, program, plugins.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The folders of the sources have to be there to be named below.
cargo fetch --locked >&2
cargo fetch --locked --manifest-path plugins/Cargo.toml >&2

triple=$(rustc --version --verbose | sed -n 's/^host: //p')
build=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
home=$(realpath --canonicalize-missing "${CARGO_HOME:-$HOME/.cargo}")

# Of several prefixes that fit the last one wins.
prefixes=("$(rustc --print sysroot)=/rust" "$PWD=/socklet" "$build=/build" "$home=/cargo")
for registry in "$home"/registry/src/*/; do
    prefixes+=("${registry%/}=/cargo")
done
flags=("${prefixes[@]/#/--remap-path-prefix=}")
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS

# The C code that a few crates bring along.
c=("${prefixes[@]/#/-ffile-prefix-map=}")
export "CFLAGS_${triple//-/_}=${c[*]}"

# With --target even where that is the machine itself: its folder of its own leaves what `cargo build --release` made alone.
cargo build --locked --release --package socklet --bin socklet --target "$triple" --target-dir "$build" >&2
cargo build --locked --release --workspace --manifest-path plugins/Cargo.toml --target wasm32-wasip2 --target-dir "$build/stock" >&2

echo "$triple $build/$triple/release $build/stock/wasm32-wasip2/release"
