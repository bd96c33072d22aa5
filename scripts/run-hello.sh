#!/usr/bin/env bash
# Runs hako/hello, the image that the build makes, on a daemon of its own; leaves nothing behind.
set -euo pipefail
build=${1:-build}
state=$(mktemp -d /tmp/hako-run.XXXXXX)
# Without networks: a first try changes nothing of the host's.
export HAKO_ROOT=$state/root HAKO_RUN=$state/run HAKO_BRIDGE=none
hako=$build/bin/hako
cleanup() {
    "$hako" system stop >/dev/null 2>&1 || true
    rm -rf "$state"
}
trap cleanup EXIT
"$hako" run --rm hako/hello
