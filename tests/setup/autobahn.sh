#!/usr/bin/env bash
# Makes .tools/autobahn with Autobahn's test suite, which only runs on CPython 2.7.
#
# Where there is no CPython 2.7 it writes the reason to .tools/autobahn.skipped and succeeds.
# PYTHON27 names an interpreter to use.
set -euo pipefail
cd "$(dirname "$0")/../.."

is_python27() {
    "$1" -c 'import platform, sys
assert sys.version_info[:2] == (2, 7) and platform.python_implementation() == "CPython"'
} >&/dev/null

find_python27() {
    local pyenv_root candidate
    pyenv_root=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")}
    for candidate in "${PYTHON27:-}" "$pyenv_root"/versions/2.7*/bin/python python2.7 python2; do
        if is_python27 "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if ! python27=$(find_python27); then
    echo "no CPython 2.7 found: install it (for instance 'pyenv install 2.7.18') or name it in PYTHON27" >.tools/autobahn.skipped
    rm -rf .tools/autobahn
    printf '\n!!! SKIPPED: Autobahn test suite: %s\n\n' "$(<.tools/autobahn.skipped)" >&2
    exit 0
fi

echo "setup: Autobahn test suite into .tools/autobahn"
log=.tools/autobahn.log
rm -rf .tools/autobahn .tools/autobahn.skipped
# wsaccel is compiled, in an isolated environment that only obeys a constraint file.
if ! {
    .tools/python/bin/virtualenv --no-download --no-periodic-update --python "$python27" .tools/autobahn &&
        PIP_CONSTRAINT=$PWD/tests/setup/requirements-autobahn.txt PIP_NO_PYTHON_VERSION_WARNING=1 \
            .tools/autobahn/bin/pip install --disable-pip-version-check --no-deps \
            --requirement tests/setup/requirements-autobahn.txt
} >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: installing the Autobahn test suite failed, all output is in $log" >&2
    exit 1
fi
.tools/autobahn/bin/wstest --help >/dev/null
