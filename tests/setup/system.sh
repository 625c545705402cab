#!/usr/bin/env bash
# Installs the system packages behind the capabilities named as arguments, and only those that are missing.
#
# Capabilities: cc chromium curl dpkg-shlibdeps fonts haproxy nginx node npm openssl venv wasm-c. No service is started. Without root and sudo it says what to
# install and fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

have() {
    case $1 in
        chromium) [[ -x ${CHROMIUM:-} ]] || command -v chromium ;;
        fonts) [[ -n $(find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" -name '*.[ot]tf' -print -quit 2>&1) ]] ;;
        venv) python3 -c 'import ensurepip, sys, venv; assert sys.version_info >= (3, 10)' ;;
        wasm-c) command -v clang-19 && command -v wasm-ld-19 && [[ -f /usr/include/wasm32-wasi/stdio.h ]] &&
            [[ -n $(find /usr/lib/llvm-19/lib/clang -name 'libclang_rt.builtins*wasm32*' -print -quit) ]] ;;
        # Debian has servers where only the administrator looks.
        *) command -v "$1" || [[ -x /usr/sbin/$1 ]] ;;
    esac >&/dev/null
}

package() {
    case $1 in
        cc) echo gcc libc6-dev ;;
        dpkg-shlibdeps) echo dpkg-dev ;;
        fonts) echo fonts-dejavu-core ;;
        nginx) echo nginx-light ;;
        node) echo nodejs ;;
        venv) echo python3-venv ;;
        wasm-c) echo clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 ;;
        *) echo "$1" ;;
    esac
}

missing() {
    local capability packages=()
    for capability in "$@"; do
        have "$capability" || packages+=("$(package "$capability")")
    done
    echo "${packages[*]}"
}

[[ -n $(missing "$@") ]] || exit 0

# Under `make -j` two of these may start at once: the second waits, then finds nothing missing.
mkdir -p .tools
exec 9>.tools/system.lock
flock 9
packages=$(missing "$@")
[[ -n $packages ]] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "setup: please install what Debian calls: $packages" >&2
    exit 1
fi
root=()
if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: please run as root: apt-get install $packages" >&2
        exit 1
    fi
    root=(sudo)
fi

# Packages of servers would start them: whether they may is asked of this file (see invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" install -m 755 /dev/stdin "$policy"
    # shellcheck disable=SC2064 # as it is now
    trap "${root[*]} rm -f $policy" EXIT
fi

echo "setup: installing $packages"
log=.tools/system.log
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
# shellcheck disable=SC2086 # one word per package
if ! { "${apt[@]}" update && "${apt[@]}" install --yes --no-install-recommends $packages; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get failed, all of its output is in $log" >&2
    exit 1
fi
still=$(missing "$@")
if [[ -n $still ]]; then
    echo "setup: installed, but still not usable: $still (an older version first on PATH?)" >&2
    exit 1
fi
