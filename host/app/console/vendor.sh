#!/usr/bin/env bash
# Copies into vendor/ what package-lock.json pins, and notes the sums of both. For another version: edit package.json, run
# `npm install --package-lock-only --omit-lockfile-registry-resolved`, then this.
set -euo pipefail
cd "$(dirname "$0")"

modules=$(mktemp -d)
trap 'rm -rf "$modules"' EXIT
cp package.json package-lock.json "$modules"
# npm compares what it gets with the lock's integrity, and fails where that differs.
(cd "$modules" && npm ci --silent --ignore-scripts --no-audit --no-fund)

uplot=$modules/node_modules/uplot
install -m 644 "$uplot/dist/uPlot.esm.js" vendor/uplot.js
install -m 644 "$uplot/dist/uPlot.min.css" vendor/uplot.css
install -m 644 "$uplot/LICENSE" vendor/LICENSE-uplot
sha256sum package-lock.json vendor/LICENSE-uplot vendor/uplot.css vendor/uplot.js >vendored.sha256
