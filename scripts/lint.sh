#!/usr/bin/env bash
# Formatting, headers that compile alone, clang-tidy with every warning an error.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.cc' '*.h' | xargs clang-format-16 --dry-run --Werror
cmake --preset release >/dev/null
cmake --build build --target all_verify_interface_header_sets
git ls-files 'src/*.cc' | grep -v _test.cc | xargs -P "$(nproc)" -n 4 clang-tidy-16 -p build --quiet
