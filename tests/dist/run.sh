#!/usr/bin/env bash
# What is shipped, in target/dist: a static binary for each architecture, their SHA-256 sums, and what is in them
# (SBOM in CycloneDX). Everything is built twice, in folders of different names: the sums must be the same.
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)
dist=$PWD/target/dist
# ring compiles a little C and assembly; everything else is Rust, linked by what comes with it.
export CC_x86_64_unknown_linux_musl=${CC_x86_64_unknown_linux_musl:-$(command -v musl-gcc || echo cc)}
export CC_aarch64_unknown_linux_musl=${CC_aarch64_unknown_linux_musl:-aarch64-linux-gnu-gcc}
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld

fail() { echo "$*" >&2; exit 1; }
command -v "$CC_aarch64_unknown_linux_musl" >/dev/null ||
    fail "no C compiler for aarch64: install gcc-aarch64-linux-gnu and libc6-dev-arm64-cross (Debian), or name one in CC_aarch64_unknown_linux_musl"
for target in "${targets[@]}"; do
    rustup target list --installed | grep -qx "$target" || rustup target add "$target" ||
        fail "the target $target is missing: run \`rustup target add $target\`"
done
command -v cargo-cyclonedx >/dev/null || cargo install --locked --root target/tools cargo-cyclonedx
export PATH=$PWD/target/tools/bin:$PATH

# Builds all targets into a folder, with no trace of where that was.
build() {
    local flags=(
        "--remap-path-prefix=$1=/build" "--remap-path-prefix=$PWD=/ikvm-mcp"
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    )
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}") CARGO_TARGET_DIR=$1 \
        cargo build --release --locked "${targets[@]/#/--target=}"
}

build "$PWD/target/dist-build"
build "$PWD/target/dist-build-again"
rm -rf "$dist" && mkdir -p "$dist"
for target in "${targets[@]}"; do
    binary=$dist/ikvm-mcp-${target%%-*}
    cp "target/dist-build/$target/release/ikvm-mcp" "$binary"
    cmp "$binary" "target/dist-build-again/$target/release/ikvm-mcp" || fail "$target is not reproducible"
    ! readelf --dynamic "$binary" | grep NEEDED || fail "$binary needs shared libraries"
    ! readelf --program-headers "$binary" | grep INTERP || fail "$binary needs a loader"
    ! grep -a -m 1 -o "$HOME/[^ ]*" "$binary" || fail "$binary tells where it was built"
done

# Alone in an empty root, where the system lets us make one.
if unshare --user --map-root-user true 2>/dev/null; then
    rm -rf target/alone && mkdir -p target/alone && cp "$dist/ikvm-mcp-$(uname -m)" target/alone/ikvm-mcp
    unshare --user --map-root-user chroot target/alone /ikvm-mcp list --demo >/dev/null
    echo "ikvm-mcp-$(uname -m) runs in an empty root"
else
    echo "no user namespaces here: not started in an empty root"
fi
if command -v qemu-aarch64 >/dev/null; then
    qemu-aarch64 "$dist/ikvm-mcp-aarch64" list --demo >/dev/null
    echo "ikvm-mcp-aarch64 runs (emulated)"
fi

cargo cyclonedx --format json --target "${targets[0]}" --override-filename ikvm-mcp.cdx
mv ikvm-mcp.cdx.json "$dist/"
(cd "$dist" && sha256sum -- * > SHA256SUMS && stat --format='%s bytes  %n' ikvm-mcp-* && cat SHA256SUMS)
