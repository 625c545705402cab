#!/usr/bin/env bash
# Looks at what `make dist` made as those do who get it: unpacks it, installs the package below a folder, reads its pages, runs it.
set -euo pipefail
cd "$(dirname "$0")/../.."
clone=$PWD
dist=$clone/target/dist
temp=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill -KILL "$server"; rm -rf "$temp"' EXIT

passed=0 skipped=0
pass() { passed=$((passed + 1)) && echo "ok       $1"; }
skip() { skipped=$((skipped + 1)) && echo "!!! SKIPPED: $1" >&2; }
fail() { echo "FAILED   $1" >&2 && exit 1; }

cd "$dist"
sha256sum --quiet --check SHA256SUMS
pass "the sums are right"

tarball=$(echo socklet-*.tar.gz)
mkdir "$temp/unpacked"
tar --extract --gzip --file "$tarball" --directory "$temp/unpacked"
diff --recursive --exclude='*.deb' --exclude='*.tar.gz' --exclude=SHA256SUMS . "$temp/unpacked/${tarball%.tar.gz}"
pass "the tarball has all of it"

if readelf --sections --wide bin/socklet | grep --quiet --extended-regexp '\.(symtab|debug_info|debug_line)'; then
    fail "the program is not stripped"
fi
for place in "$clone" "${CARGO_HOME:-$HOME/.cargo}" "$(rustc --print sysroot)" "$(realpath --canonicalize-missing "$clone/${CARGO_TARGET_DIR:-target}")"; do
    if grep --recursive --fixed-strings --text --files-with-matches --exclude='*.gz' --exclude='*.deb' "$place" .; then
        fail "these name a folder of this machine: $place"
    fi
done
pass "nothing says where it was built"

if command -v man >/dev/null; then
    for page in man/*.gz; do
        man --warnings -E UTF-8 --local-file -Tutf8 -Z "$page" 2>>"$temp/man" >/dev/null
    done
    [[ ! -s $temp/man ]] || fail "man pages: $(<"$temp/man")"
    pass "man pages are clean"
else
    skip "man pages: there is no man"
fi

bash -n completions/socklet
bash --norc -c 'source completions/socklet && complete -p socklet' >/dev/null
pass "bash completes"
for shell in zsh fish; do
    file=completions/_socklet
    [[ $shell = zsh ]] || file=completions/socklet.fish
    if ! command -v "$shell" >/dev/null; then
        skip "completions of $shell: there is none"
        continue
    fi
    "$shell" -n "$file"
    pass "$shell reads its completions"
done

while read -r _ _ sources; do
    for source in ${sources% *}; do
        # Patterns are expanded here as there.
        [[ -e $source ]] || fail "Dockerfile: there is no $source"
    done
done < <(grep '^COPY ' Dockerfile)
pass "the image has what it copies"

python3 - "$clone/Cargo.lock" <<'END'
import json, pathlib, re, sys

lock = pathlib.Path(sys.argv[1]).read_text()
version = re.search(r'name = "wasmtime"\nversion = "(.*)"', lock)[1]
bill = json.load(open("sbom.cdx.json"))
assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "socklet"
assert any(part["name"] == "wasmtime" and part["version"] == version for part in bill["components"]), version
for plugin in pathlib.Path("plugins").glob("*.wasm"):
    parts = json.load(open(plugin.with_suffix(".cdx.json")))["components"]
    assert any(part["name"] == "wit-bindgen" for part in parts), plugin
END
pass "the bills of materials name what is in"

tree() {
    (cd "$clone" && cargo tree --locked --prefix none --format '{p}' --edges normal "$@" | sed -nE 's/^(\S+) v(\S+)( \(proc-macro\))?( \(\*\))?$/- \1 \2,/p' | sort -u)
}
{
    tree --package socklet
    tree --manifest-path plugins/Cargo.toml --workspace --target wasm32-wasip2
} >"$temp/crates"
[[ $(wc -l <"$temp/crates") -gt 100 ]] || fail "cargo tree: $(<"$temp/crates")"
while read -r crate; do
    grep --quiet --fixed-strings -- "$crate" THIRD-PARTY.md || fail "THIRD-PARTY.md does not name ${crate#- }"
done <"$temp/crates"
grep --quiet 'uPlot' THIRD-PARTY.md || fail "THIRD-PARTY.md does not name uPlot"
pass "THIRD-PARTY.md names $(sort -u "$temp/crates" | wc -l) crates and the console's"

# The package, below a folder. Its scripts run with DPKG_ROOT; where systemd runs they would reload it, so there they do not.
root=$temp/root
deb=$(echo "$dist"/socklet_*.deb)
installed=false
if ! command -v dpkg >/dev/null; then
    skip "the package: there is no dpkg"
    exit 0
fi
mkdir -p "$root/var/lib/dpkg"/{info,updates,triggers} "$root/etc"
if [[ $(id -u) -eq 0 && ! -d /run/systemd/system ]] && command -v systemd-sysusers >/dev/null; then
    touch "$root/var/lib/dpkg/status"
    packager=(dpkg --root="$root" --force-script-chrootless --force-depends --log=/dev/null)
    "${packager[@]}" --install "$deb" >"$temp/dpkg" 2>&1 || fail "dpkg: $(<"$temp/dpkg")"
    installed=true
    grep --quiet '^socklet:' "$root/etc/passwd" || fail "the package makes no user"
    [[ $(stat --format %a "$root/etc/socklet/socklet.toml") = 640 ]] || fail "everybody can read the configuration"
    [[ -L $root/etc/systemd/system/multi-user.target.wants/socklet.service ]] || fail "the unit is not enabled"
    pass "the package installs, makes its user, enables its unit"
else
    skip "the scripts of the package: only as root, where no systemd runs; it is unpacked"
    dpkg-deb --extract "$deb" "$root"
fi

unit=$root/usr/lib/systemd/system/socklet.service
[[ -e $unit ]] || unit=$root/lib/systemd/system/socklet.service
if command -v systemd-analyze >/dev/null; then
    # What the unit names and the package does not bring.
    install -D --mode 755 "$(type -P kill)" "$root/bin/kill"
    cp /usr/lib/systemd/system/*.target "$root/usr/lib/systemd/system/"
    systemd-analyze --root="$root" --man=no verify socklet.service 2>"$temp/verify" || fail "systemd-analyze: $(<"$temp/verify")"
    ! grep --quiet 'socklet.service' "$temp/verify" || fail "systemd-analyze: $(<"$temp/verify")"
    systemd-analyze --offline=true --threshold=20 security "$unit" >"$temp/security" 2>&1 || fail "$(tail -n 1 "$temp/security")"
    pass "systemd understands the unit, and finds it closed: $(sed -n 's/.*exposure level.*: \([0-9.]*\).*/\1/p' "$temp/security")"
else
    skip "the unit: there is no systemd-analyze"
fi
page=$(sed -n 's/^Documentation=man:\(.*\)(1)$/\1/p' "$unit")
[[ -e $root/usr/share/man/man1/$page.1.gz ]] || fail "the unit names a page $page that is not there"

# What the unit starts, below the folder: the paths of the configuration moved there, and free ports.
read -r program command config < <(sed -n 's/^ExecStart=//p' "$unit")
sed --in-place "s|file:/|file:$root/|; s|^bind = .*|bind = \"127.0.0.1:0\"|" "$root$config"
export XDG_CACHE_HOME=$root/var/cache
"$root$program" check "$root$config" >/dev/null
"$root$program" "$command" "$root$config" >"$temp/out" 2>"$temp/log" &
server=$!
for _ in $(seq 300); do
    ! grep --quiet 'operators:' "$temp/out" || break
    kill -0 "$server" 2>/dev/null || fail "the server ended: $(<"$temp/log")"
    sleep 0.1
done
url=$(grep --only-matching --max-count 1 'ws://[^ ]*' "$temp/out") || fail "no address: $(<"$temp/out")"
"$clone/.tools/python/bin/python" "$clone/tests/clients/websockets_client.py" "$url" text-echo binary-echo close
[[ -d $root/var/cache/socklet ]] || fail "compiled plugins are not where the unit wants them"
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
[[ $status -eq 0 ]] || fail "the server ended with $status: $(<"$temp/log")"
pass "the installed program serves the packaged configuration, and drains"

if $installed; then
    mkdir -p "$root/var/lib/socklet"
    "${packager[@]}" --purge socklet >"$temp/dpkg" 2>&1 || fail "dpkg: $(<"$temp/dpkg")"
    [[ -z $(find "$root" -path "$root/var/lib/dpkg" -prune -o -type f -name '*socklet*' -print) ]] || fail "a purge leaves something"
    [[ ! -e $root/var/cache/socklet && ! -e $root/var/lib/socklet ]] || fail "a purge leaves what the server wrote"
    pass "a purge leaves nothing"
fi
echo "$passed passed, 0 failed, $skipped skipped"
