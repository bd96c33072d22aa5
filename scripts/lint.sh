#!/usr/bin/env bash
# Formatting, headers that compile alone, clang-tidy with every warning an error.
set -euo pipefail
cd "$(dirname "$0")/.."
# What becomes a part of the guest kernel has that one's style.
git ls-files '*.cc' '*.h' ':!kernel/changes' | xargs clang-format-16 --dry-run --Werror
cmake --preset release >/dev/null
cmake --build build --target all_verify_interface_header_sets
cmake --preset tidy >/dev/null
cmake --build --preset tidy
python3 - <<'END' | xargs -P "$(nproc)" -n 1 clang-tidy-16 -p build/tidy --quiet \
    --extra-arg=-Wno-unknown-warning-option
import json
files = {entry["file"] for entry in json.load(open("build/tidy/compile_commands.json"))}
others = ("/generated/", "cmake_pch", "_header_sets")
print(*(file for file in sorted(files) if not any(word in file for word in others)), sep="\n")
END
