#!/usr/bin/env bash
# Makes an environment in .tools with what a list pins: python.sh NAME LIST.
set -euo pipefail
name=$1 list=$(realpath "$2")
cd "$(dirname "$0")/../.."

echo "setup: python packages into .tools/$name"
python3 -m venv --clear ".tools/$name"
".tools/$name/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$list"
