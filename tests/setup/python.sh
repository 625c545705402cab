#!/usr/bin/env bash
# Makes .tools/python, an environment with what requirements.txt pins.
set -euo pipefail
cd "$(dirname "$0")/../.."

echo "setup: python packages into .tools/python"
python3 -m venv --clear .tools/python
.tools/python/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement tests/setup/requirements.txt
