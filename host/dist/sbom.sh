#!/usr/bin/env bash
# Writes a bill of materials, in CycloneDX's JSON: of the program to FOLDER/sbom.cdx.json, of each stock plugin to FOLDER/plugins/NAME.cdx.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1 triple=$2

# The tool writes beside every manifest of a workspace. Copies of the manifests keep it out of the clone.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z -- '*Cargo.toml' '*Cargo.lock' '*.rs' | xargs -0 cp --parents --target-directory "$copy"

bill() {
    local manifest=$1 target=$2
    .tools/bin/cargo-cyclonedx cyclonedx --quiet --manifest-path "$copy/$manifest" --target "$target" --spec-version 1.5 --format json \
        --override-filename sbom
}

bill host/app/Cargo.toml "$triple"
bill plugins/Cargo.toml wasm32-wasip2

take() {
    # Where the copy was is nobody's business.
    sed "s|$copy|/socklet|g" "$copy/$1/sbom.json" >"$folder/$2.cdx.json"
}
take host/app sbom
for plugin in "$folder"/plugins/*.wasm; do
    name=$(basename "$plugin" .wasm)
    take "plugins/${name//_/-}" "plugins/$name"
done
