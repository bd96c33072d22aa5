#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for HAKO_FUZZ_SECONDS (60). What they find stays in
# build/fuzz/crashes, the corpora in build/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${HAKO_FUZZ_SECONDS:-60}
cmake --preset fuzz --log-level=WARNING
cmake --build --preset fuzz --target fuzzers
for target in build/fuzz/bin/fuzz_*; do
    name=${target##*/fuzz_}
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus" build/fuzz/crashes
    echo "fuzz.sh: $name, $seconds s"
    # Twice the first time: libFuzzer looks for its corpus before it is written.
    HAKO_FUZZ_CORPUS=$corpus "$target" -runs=0 >/dev/null 2>&1
    "$target" -max_total_time="$seconds" -max_len=200000 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/crashes/$name-" "$corpus" 2>&1 | tail -n 12
done
