#!/usr/bin/env bash
# Runs the conformance kit on folders with echo.wasm, counter.wasm, chat.wasm and token-auth.wasm, one folder for each SDK:
#   tests/conformance/run.sh SOCKLET FOLDER...
# Fails when one of them fails. The scripts are copied, so that the folders stay as they are.
set -euo pipefail
kit=$(cd "$(dirname "$0")" && pwd)
socklet=${1:?which socklet}
shift
failed=()
for folder in "$@"; do
    work=$(mktemp -d)
    for plugin in echo counter chat token-auth; do
        cp "$folder/$plugin.wasm" "$work/"
    done
    # Another version for swaps: the same with a section that says nothing, as `printf` writes it.
    { cat "$work/counter.wasm" && printf '\x00\x05\x04mark'; } >"$work/counter-again.wasm"
    cp "$kit"/*.toml "$work/"
    echo "== $folder"
    (cd "$work" && "$socklet" test .) || failed+=("$folder")
    rm -r "$work"
done
if ((${#failed[@]})); then
    echo "conformance: FAILED: ${failed[*]}" >&2
    exit 1
fi
