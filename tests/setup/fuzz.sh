#!/usr/bin/env bash
# Installs cargo-fuzz into .tools, and says what to do where the nightly compiler, which it needs, is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! rustup toolchain list | grep --quiet '^nightly'; then
    echo "setup: fuzzing needs the nightly compiler: rustup toolchain install nightly" >&2
    exit 1
fi
echo "setup: cargo-fuzz into .tools/fuzz"
cargo install --quiet --locked --root .tools/fuzz --version 0.13.1 cargo-fuzz
