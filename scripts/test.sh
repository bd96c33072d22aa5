#!/usr/bin/env bash
# Runs the tests of a build folder; what failed is said once more at the end, in a few lines: the
# whole output is long, and where only its end is kept nobody sees why. Two run at once: they wait
# a lot.
# usage: scripts/test.sh BUILD [CTEST OPTION...]
set -euo pipefail
build=$1
shift
if ctest --test-dir "$build" --output-on-failure --parallel 2 "$@"; then exit 0; fi
echo "In short (all of it is in $build/Testing/Temporary/LastTest.log):"
grep -E '^(FAILED|ERROR) |^E   |: Failure$|^\[  FAILED  \]|^tests/.*: in ' \
    "$build/Testing/Temporary/LastTest.log" | tail -n 60
exit 1
