#!/usr/bin/env bash
# Fuzzes every target for FUZZ_SECONDS each (60), or those that are named as arguments; stops at the first finding.
# Without a sanitizer: there is no unsafe code of ours to check, and it is twice as fast.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v cargo-fuzz >/dev/null || cargo install --locked --root target/tools cargo-fuzz
export PATH=$PWD/target/tools/bin:$PATH
# libFuzzer's coverage is an unstable option of the compiler; this lets the stable one take it.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=$PWD/target/fuzz

mapfile -t targets < <(cargo fuzz list --fuzz-dir tests/fuzz)
[ $# = 0 ] || targets=("$@")
cargo run --quiet --release --manifest-path tests/fuzz/Cargo.toml --example seeds target/fuzz/corpus
for target in "${targets[@]}"; do
    mkdir -p "target/fuzz/corpus/$target" "target/fuzz/found/$target"
    cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$target" "target/fuzz/corpus/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536 -timeout=20 -rss_limit_mb=1024 \
        -artifact_prefix="target/fuzz/found/$target/" -print_final_stats=1
done
