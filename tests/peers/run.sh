#!/usr/bin/env bash
# Tries target/release/ikvm-mcp (or the program that IKVM_MCP names) with the outside world: the official conformance
# suite, real MCP clients and real VNC servers, all on loopback. Installs the clients into target/peers by itself; needs
# npm, python3 with venv, and the servers that .ci/run installs. What each check printed is in target/peers/logs.
set -euo pipefail
cd "$(dirname "$0")/../.."

sources=$PWD/tests/peers
peers=$PWD/target/peers
program=$(realpath "${IKVM_MCP:-target/release/ikvm-mcp}")
node=$peers/node
PATH=$node/node_modules/node/bin:$node/node_modules/.bin:$PATH
export PYTHONDONTWRITEBYTECODE=1
mkdir -p "$node" "$peers/home"
rm -rf "$peers/logs" && mkdir "$peers/logs"

# --- install what is not there yet ----------------------------------------------------------------------------

npm_marker=$node/installed.json
if ! cmp -s "$sources/package.json" "$npm_marker"; then
    echo "installing the npm packages into target/peers/node"
    rm -rf "$node" && mkdir "$node" && cp "$sources/package.json" "$node/"
    (cd "$node" && npm install --no-fund --no-audit --loglevel=error)
    cp "$sources/package.json" "$npm_marker"
fi
cp "$sources"/*.mjs "$node/"

python() { # VERSION: the interpreter of a venv that has this version of the SDK
    local venv=$peers/python-$1
    if [ ! -e "$venv/installed" ]; then
        echo "installing the Python SDK $1 into target/peers/python-$1" >&2
        rm -rf "$venv" && python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "mcp==$1" >&2
        touch "$venv/installed"
    fi
    echo "$venv/bin/python"
}
python1=$(python 1.30.0)
python2=$(python 2.3.0)

debian=$peers/debian
unpack() { # FILE PATTERN PACKAGE: a file out of a package of this Debian, which is not installed
    [ ! -s "$debian/$1" ] || return 0
    rm -rf "$debian/package" && mkdir -p "$debian/package" && cd "$debian/package" &&
        apt-get -o APT::Sandbox::User=root download "$3" >&2 &&
        dpkg-deb --fsys-tarfile ./*.deb | tar -x --to-stdout --wildcards "$2" >"$debian/package/$1" &&
        mv "$debian/package/$1" "$debian/$1" && rm -rf "$debian/package"
}
# The package of the newest kernel is empty and names the one that holds it.
kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: //p' | head -n 1 || true)
(unpack vmlinuz './boot/vmlinuz-*' "${kernel:-linux-image-cloud-amd64}") || true
(unpack busybox '*bin/busybox' busybox-static) || true

# --- the server -----------------------------------------------------------------------------------------------

PORT=0 "$program" --demo 2>"$peers/logs/server" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for _ in $(seq 600); do
    url=$(grep -o 'http://localhost:[0-9]*/mcp' "$peers/logs/server" || true)
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || { cat "$peers/logs/server"; echo "the server does not start"; exit 1; }

# --- the checks -----------------------------------------------------------------------------------------------

passed=0
failed=0

check() { # NAME COMMAND...: one check, its output in a log
    local name=$1 log
    log="$peers/logs/$(tr -c 'a-zA-Z0-9\n' - <<<"$1")"
    shift
    if timeout 600 bash -euo pipefail -c '"$@"' "$name" "$@" >"$log" 2>&1; then
        passed=$((passed + 1)) && echo "passed: $name"
    else
        failed=$((failed + 1)) && echo "FAILED: $name" && tail -n 30 "$log" | cut -c 1-300
    fi
}

conformance_of() { # REVISION
    conformance server --url "$url" --requirements "$1" -o "$peers/logs/conformance-$1" \
        --expected-failures "$sources/expected-failures-$1.yml"
}

inspect() { # PATTERN ARGUMENT...: the Inspector's output has PATTERN in it
    local pattern=$1
    shift
    HOME=$peers/home inspector --cli "$@" | tee /dev/stderr | grep "$pattern" >/dev/null
}

claude_connects() { # NAME ARGUMENT...: Claude Code finds the server that was added with these arguments healthy
    local name=$1
    shift
    export HOME=$peers/home DISABLE_AUTOUPDATER=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
    cd "$HOME"
    claude mcp remove "$name" >/dev/null 2>&1 || true
    claude mcp add "$name" "$@"
    claude mcp list | tee /dev/stderr | grep "^$name:.*Connected"
}

alive() { # the server is the process it was, and says so
    kill -0 "$server" && [ "$(curl -fsS "${url%/mcp}/health")" = ok ]
}

ends() { # on a signal, within 3 s
    kill -TERM "$server"
    for _ in $(seq 30); do
        kill -0 "$server" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

# `check` runs them in a shell of its own, for the time limit.
export sources peers url server
export -f conformance_of inspect claude_connects alive ends

for revision in 2025-11-25 2026-07-28; do
    check "conformance suite, $revision" conformance_of "$revision"
done

picture='"iVBORw0KGgo'
for era in legacy modern; do
    over_http=("$url" --transport http --protocol-era "$era")
    over_stdio=("$program" stdio --demo --transport stdio --protocol-era "$era")
    check "Inspector, HTTP, $era, list" inspect get_screenshot "${over_http[@]}" --strict --method tools/list
    check "Inspector, stdio, $era, list" inspect get_screenshot "${over_stdio[@]}" --strict --method tools/list
    check "Inspector, HTTP, $era, call" inspect "$picture" "${over_http[@]}" --method tools/call \
        --tool-name get_screenshot --tool-arg serverId=demo-grub
    check "Inspector, stdio, $era, call" inspect "$picture" "${over_stdio[@]}" --method tools/call \
        --tool-name get_screenshot --tool-arg serverId=demo-grub
done

for way in "http $url" "stdio $program"; do
    read -r name target <<<"$way"
    check "TypeScript SDK 1, $name" node "$node/sdk1.mjs" "$name" "$target"
    check "Python SDK 1, $name" "$python1" "$sources/sdk1.py" "$name" "$target"
    for era in legacy auto 2026-07-28; do
        check "TypeScript SDK 2, $name, $era" node "$node/sdk2.mjs" "$name" "$target" "$era"
        check "Python SDK 2, $name, $era" "$python2" "$sources/sdk2.py" "$name" "$target" "$era"
    done
done

check "Claude Code, HTTP" claude_connects ikvm-http --transport http "$url"
check "Claude Code, stdio" claude_connects ikvm-stdio -- "$program" stdio --demo

fakes=$PWD/target/debug/examples/fakes
"$python1" -c 'import PIL' 2>/dev/null || "$python1" -m pip install --quiet --disable-pip-version-check pillow
if type -P qemu-system-x86_64 Xtigervnc tigervncpasswd xwd xlogo >/dev/null; then
    check "hosts.toml: QEMU, TigerVNC, a BMC by login" "$python1" "$sources/hosts.py" "$program" "$fakes" "$peers/logs/hosts"
else
    echo "skipped: hosts.toml with QEMU and TigerVNC, which are not installed"
fi

if ! type -P qemu-system-x86_64 grub-mkimage >/dev/null || [ ! -e /usr/lib/grub/i386-pc/boot.img ]; then
    echo "skipped: reading what QEMU boots; QEMU or GRUB (grub-common, grub-pc-bin) is not installed"
elif [ ! -s "$debian/vmlinuz" ] || [ ! -s "$debian/busybox" ]; then
    echo "skipped: reading what QEMU boots; Debian's packages linux-image-cloud-amd64 and busybox-static cannot be had here"
else
    check "text: GRUB, Linux and its panic, by QEMU and by a BMC" "$python1" "$sources/boot.py" "$program" "$fakes" \
        "$debian/vmlinuz" "$debian/busybox" "$peers/logs/boot"
fi

if type -P Xvfb x11vnc xwd xclock xterm twm display >/dev/null && [ -e /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf ]; then
    check "no text: desktops under Xvfb" "$python1" "$sources/desktops.py" "$program" "$peers/logs/desktops"
else
    echo "skipped: desktops under Xvfb; Xvfb, x11vnc, xterm, twm, fonts or what else .ci/run names is not installed"
fi

if unshare -m mount --bind /etc/hostname /etc/resolv.conf 2>/dev/null; then
    check "DNS that hangs, or knows nothing" "$python1" "$sources/system.py" dns "$program" "$peers/logs/dns"
else
    echo "skipped: DNS that hangs; only root can give a program a resolv.conf of its own"
fi
# A clock of its own gets a program that loads libraries, as the static one does not.
faketime=$(find /usr/lib -name libfaketime.so.1 -print -quit)
dynamic=$(for file in "$program" target/release/ikvm-mcp target/debug/ikvm-mcp; do
    if readelf --dynamic "$file" 2>/dev/null | grep NEEDED >/dev/null; then realpath "$file" && break; fi
done)
if [ -n "$faketime" ] && [ -n "$dynamic" ]; then
    check "a clock that is set back" "$python1" "$sources/system.py" clock "$dynamic" "$fakes" "$faketime" "$peers/logs/clock"
else
    echo "skipped: a clock that is set back; it needs libfaketime, and a build of the program that is not static"
fi

check "VNC servers: QEMU, TigerVNC, TightVNC, x11vnc, websockify" \
    python3 "$sources/vnc.py" "$program" "$peers/logs/vnc"

check "the server is still there" alive
check "the server ends on SIGTERM" ends

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
