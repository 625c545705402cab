#!/usr/bin/env bash
# Makes target/dist of what compile.sh has built: everything that is shipped, as files, as a tarball, as a Debian package.
#
# Usage: build.sh TRIPLE PROGRAM PLUGINS, the last two being the folders that the program and the components are in.
# The same commit and the same tools make the same files, byte for byte.
set -euo pipefail
cd "$(dirname "$0")/../.."
triple=$1 program=$2 components=$3
dist=target/dist

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export LC_ALL=C TZ=UTC
umask 022

rm -rf "$dist"
mkdir -p "$dist"/{bin,plugins,man,completions,systemd}

install -m 755 "$program/socklet" "$dist/bin/"
strip --strip-all "$dist/bin/socklet"
version=$("$dist/bin/socklet" --version)
version=${version##* }

for plugin in basic_auth chat counter echo ip_auth jwt_auth jwt_auth_remote webhook_auth; do
    install -m 644 "$components/$plugin.wasm" "$dist/plugins/"
done

"$dist/bin/socklet" man "$dist/man"
gzip --best --no-name "$dist"/man/*.1
"$dist/bin/socklet" completion bash >"$dist/completions/socklet"
"$dist/bin/socklet" completion zsh >"$dist/completions/_socklet"
"$dist/bin/socklet" completion fish >"$dist/completions/socklet.fish"

install -m 644 LICENSE host/CHANGELOG.md host/dist/socklet.toml host/dist/image/Dockerfile "$dist/"
install -m 644 host/dist/image/socklet.toml "$dist/image.toml"
install -m 644 host/dist/systemd/* "$dist/systemd/"
install -m 644 -D --target-directory "$dist/monitoring" host/monitoring/{alerts.yml,dashboard.json}

host/dist/notices.sh "$triple" >"$dist/THIRD-PARTY.md"
host/dist/sbom.sh "$dist" "$triple"
# The package takes its files from here and from there: [package.metadata.deb] in host/app/Cargo.toml.
maintainer="${DEBFULLNAME:-Socklet maintainers} <${DEBEMAIL:-socklet@localhost}>"
mkdir "$dist/debian"
cat >"$dist/debian/changelog" <<END
socklet ($version-1) unstable; urgency=medium

  * What is new is in changelog.gz.

 -- $maintainer  $(date --date="@$SOURCE_DATE_EPOCH" --rfc-email)
END
cp "$dist"/{CHANGELOG,THIRD-PARTY}.md "$dist/debian/"
gzip --best --no-name "$dist"/debian/*
.tools/bin/cargo-deb --quiet --manifest-path host/app/Cargo.toml --target "$triple" --no-build --no-strip --maintainer "$maintainer" \
    --output "$dist/"
rm -r "$dist/debian"

name=socklet-$version-$triple
tar --create --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw --exclude='*.deb' --exclude='*.tar.gz' --transform "s|^\.|$name|" --directory "$dist" . |
    gzip --best --no-name >"target/$name.tar.gz"
mv "target/$name.tar.gz" "$dist/"

(cd "$dist" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs -d '\n' sha256sum >SHA256SUMS)
(cd "$dist" && stat --printf '%9s  %n\n' bin/socklet plugins/*.wasm *.tar.gz *.deb)
