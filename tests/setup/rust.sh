#!/usr/bin/env bash
# Makes the toolchain that rust-toolchain.toml pins available, with its WebAssembly target.
set -euo pipefail
cd "$(dirname "$0")/../.."

ready() {
    [[ -d $(rustc --print target-libdir --target wasm32-wasip2) ]] &&
        cargo fmt --version && cargo clippy --version
} >&/dev/null

ready && exit 0
if ! command -v rustup >/dev/null; then
    echo "setup: cargo with the toolchain of rust-toolchain.toml is missing; please install rustup" >&2
    exit 1
fi

# Under `make -j` two of these may start at once.
mkdir -p .tools
exec 9>.tools/rust.lock
flock 9
ready && exit 0
echo "setup: installing the toolchain of rust-toolchain.toml"
# Without a name it installs what the file says; rustup before 1.28 does that on any command instead.
rustup toolchain install || rustup show active-toolchain
if ! ready; then
    echo "setup: the toolchain of rust-toolchain.toml is still incomplete; see 'rustup show'" >&2
    exit 1
fi
