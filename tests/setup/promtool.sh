#!/usr/bin/env bash
# Makes .tools/promtool out of Debian's package prometheus, without installing that: it would start a server.
#
# PROMTOOL names one to use. Where there is neither, it writes the reason to .tools/promtool.skipped and succeeds.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p .tools
rm -rf .tools/promtool .tools/promtool.skipped .tools/promtool.part

if found=${PROMTOOL:-$(command -v promtool)} && [[ -n $found ]]; then
    ln -s "$(realpath "$found")" .tools/promtool
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "no promtool found: put it on the PATH or name it in PROMTOOL" >.tools/promtool.skipped
    printf '\n!!! SKIPPED: rules and dashboard are not checked: %s\n\n' "$(<.tools/promtool.skipped)" >&2
    exit 0
fi

echo "setup: promtool into .tools"
log=$PWD/.tools/promtool.log
mkdir .tools/promtool.part
if ! (
    cd .tools/promtool.part
    root=()
    [[ $(id -u) -eq 0 ]] || root=(sudo)
    # The lists may be there, and may not be the newest.
    apt-get download prometheus || { "${root[@]}" apt-get update && apt-get download prometheus; }
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar --extract ./usr/bin/promtool
) >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: promtool is not to be had, all of the output is in $log" >&2
    exit 1
fi
mv .tools/promtool.part/usr/bin/promtool .tools/promtool
rm -r .tools/promtool.part
