#!/usr/bin/env bash
# Prints THIRD-PARTY.md: what of others is in the program, in the stock plugins and in the console, and under which licences.
set -euo pipefail
cd "$(dirname "$0")/../.."
triple=$1

crates() {
    .tools/bin/cargo-about generate --fail --frozen --config host/dist/about.toml --manifest-path "$@" host/dist/about.hbs
}

cat <<'END'
# What others wrote

Socklet itself is under the Apache License 2.0 (LICENSE). This is what it is built of, with the licence that each is used under.

## The program

Rust's standard library, Apache-2.0, <https://github.com/rust-lang/rust>, and these crates:

END
crates host/app/Cargo.toml --target "$triple"

# Its license file is a list of licenses, which no tool takes for one.
manifest=$(cargo metadata --frozen --format-version 1 | grep --only-matching '"manifest_path":"[^"]*/aws-lc-sys-[^"]*"' | cut -d '"' -f 4)
cat <<END
### AWS-LC

Of aws-lc-sys:

~~~~text
$(<"${manifest%/*}/LICENSE")
~~~~

END
cat <<'END'
## The stock plugins

Rust's standard library, as above, wasi-libc, Apache-2.0 WITH LLVM-exception, <https://github.com/WebAssembly/wasi-libc>, and these crates:

END
crates plugins/Cargo.toml --workspace --target wasm32-wasip2
cat <<END
## The console

- uPlot $(sed -n 's/.*"uplot": "\(.*\)".*/\1/p' host/app/console/package.json), MIT, <https://github.com/leeoniya/uPlot>

~~~~text
$(<host/app/console/vendor/LICENSE-uplot)
~~~~
END
