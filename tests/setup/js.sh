#!/usr/bin/env bash
# Installs what plugins/examples/package-lock.json pins, above the examples in JavaScript and TypeScript, where node looks for it.
set -euo pipefail
cd "$(dirname "$0")/../../plugins/examples"

echo "setup: node packages into plugins/examples/node_modules"
npm ci --silent --ignore-scripts --no-audit --no-fund
# npm does not mind when what is for this machine alone cannot be had; the builds do.
node --input-type=module --eval 'await import("componentize-qjs")'
