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

# Starts the program as the arguments say and asks it for its health over HTTP.
serves() {
    local line port=
    coproc program { exec env -i PORT=0 "$@" --demo 2>&1 >/dev/null; }
    while read -r line; do
        port=$(sed -n 's|.*listening on http://localhost:\([0-9]*\)/mcp$|\1|p' <<<"$line")
        [ -z "$port" ] || break
    done <&"${program[0]}"
    [ -n "$port" ] && [ "$(curl --silent --show-error "http://localhost:$port/health")" = ok ] || fail "$* does not serve"
    kill -TERM "$program_PID"
    wait "$program_PID" || fail "$* does not end well"
}

# Alone in an empty root, where the system lets us make one.
native=$dist/ikvm-mcp-$(uname -m)
serves "$native"
if unshare --user --map-root-user true 2>/dev/null; then
    rm -rf target/alone && mkdir -p target/alone && cp "$native" target/alone/ikvm-mcp
    serves "$(command -v unshare)" --user --map-root-user "$(command -v chroot)" target/alone /ikvm-mcp
    echo "${native##*/} serves in an empty root"
else
    echo "no user namespaces here: ${native##*/} was not started in an empty root"
fi
if command -v qemu-aarch64 >/dev/null; then
    serves "$(command -v qemu-aarch64)" "$dist/ikvm-mcp-aarch64"
    echo "ikvm-mcp-aarch64 serves (emulated)"
else
    echo "no qemu-aarch64 here: ikvm-mcp-aarch64 was not started"
fi

# The same sum every time, too: of the time of the last change, and with no path of this machine.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
cargo cyclonedx --format json --target "${targets[0]}" --override-filename ikvm-mcp.cdx
sed "s|path+file://$PWD#|path+file:///ikvm-mcp#|g" ikvm-mcp.cdx.json > "$dist/ikvm-mcp.cdx.json"
rm ikvm-mcp.cdx.json
(cd "$dist" && sha256sum -- * > SHA256SUMS && stat --format='%s bytes  %n' ikvm-mcp-* && cat SHA256SUMS)
