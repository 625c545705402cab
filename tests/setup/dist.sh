#!/usr/bin/env bash
# Installs into .tools/bin the cargo commands that `make dist` calls, each in the version named here.
#
# They run once for a release, so what counts is that they are soon built: no link-time optimisation, little optimisation.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/.tools/dist.build}

# What is there in this very version is left alone.
install() {
    local name=$1 version=$2
    shift 2
    echo "setup: $name $version into .tools/bin"
    cargo install --quiet --locked --root .tools --version "=$version" "$@" "$name"
}

install cargo-deb 3.8.0
install cargo-cyclonedx 0.5.9
install cargo-about 0.9.3 --features cli
install cargo-deny 0.20.2
rm -rf .tools/dist.build
