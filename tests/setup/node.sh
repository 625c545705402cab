#!/usr/bin/env bash
# Installs what tests/clients/package-lock.json pins, beside the scripts, where node looks for modules.
set -euo pipefail
cd "$(dirname "$0")/../clients"

major=$(node -p 'process.versions.node.split(".")[0]')
if ((major < 18)); then
    echo "setup: node 18 or later is needed, this is $(node --version)" >&2
    exit 1
fi
echo "setup: node packages into tests/clients/node_modules"
npm ci --silent --ignore-scripts --no-audit --no-fund
