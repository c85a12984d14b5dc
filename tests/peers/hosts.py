"""Machines of one's own through the official Python SDK: QEMU, a TigerVNC desktop and the fake AMI BMC in one file.

Usage: hosts.py PROGRAM FAKES. The picture of each equals what it shows by its own account, and each mistake in the file
has its own sentence.
"""

import asyncio
import base64
import contextlib
import io
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image

# A blinking cursor may differ between two pictures: one cell of text.
CURSOR = 9 * 16
QEMU_PASSWORD, DESK_PASSWORD = "qemu-pw", "desk-pw"


def free_display() -> int:
    """A number whose port above 5900 nobody uses."""
    for display in range(20, 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 5900 + display)) and not os.path.exists(f"/tmp/.X11-unix/X{display}"):
                return display
    raise RuntimeError("no display is free")


def until(what: str, found) -> None:
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end, f"never seen: {what}"
        time.sleep(0.1)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def screendump(monitor: str, file: pathlib.Path) -> Image.Image:
    """What QEMU shows, by its monitor."""
    file.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(monitor)
        client.sendall(f"screendump {file}\n".encode())
        until("QEMU's own picture", lambda: file.exists() and file.stat().st_size > 720 * 400 * 3)
    return Image.open(file).convert("RGB")


def xwd(display: int) -> Image.Image:
    """What the X server shows, by its own client (X11 window dump, version 7)."""
    dump = subprocess.run(["xwd", "-root", "-silent", "-display", f":{display}"], check=True, capture_output=True).stdout
    header = struct.unpack(">25I", dump[:100])
    size, (width, height), line, colors = header[0], header[4:6], header[12], header[19]
    pixels = dump[size + 12 * colors :]
    return Image.frombytes("RGB", (width, height), pixels, "raw", "BGRX", line)


def differing(ours: Image.Image, truth: Image.Image) -> int:
    assert ours.size == truth.size, (ours.size, truth.size)
    a, b = ours.tobytes(), truth.tobytes()
    return sum(a[at : at + 3] != b[at : at + 3] for at in range(0, len(a), 3))


@contextlib.asynccontextmanager
async def session(program: str, hosts: pathlib.Path):
    server = StdioServerParameters(command=program, args=["stdio", "--hosts", str(hosts)], env={"VM1": QEMU_PASSWORD})
    async with stdio_client(server) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        yield client


async def look(client: ClientSession, server: str):
    result = await client.call_tool("get_screenshot", {"serverId": server, "raw": True})
    told = result.content[-1].text
    if result.isError:
        return None, told
    return Image.open(io.BytesIO(base64.b64decode(result.content[0].data))).convert("RGB"), told


async def main(program: str, fakes: str, folder: pathlib.Path, stack: contextlib.ExitStack) -> None:
    def start(*command: str, **more) -> None:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **more)
        stack.callback(process.wait)
        stack.callback(process.terminate)

    vm, monitor = free_display(), f"{folder}/monitor"
    start("qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-nodefaults", "-vga", "std", "-vnc",
          f"127.0.0.1:{vm},password-secret=pw", "-object", f"secret,id=pw,data={QEMU_PASSWORD}",
          "-monitor", f"unix:{monitor},server,nowait")
    until("QEMU", lambda: listens(5900 + vm))

    def booted() -> bool:
        """SeaBIOS has said all that it has to say: the same text for two seconds."""
        before = screendump(monitor, folder / "before.ppm")
        time.sleep(2)
        after = screendump(monitor, folder / "after.ppm")
        return before.size == after.size == (720, 400) and differing(before, after) <= CURSOR

    until("SeaBIOS's last words", booted)
    desk, password = free_display(), folder / "desk.password"
    password.write_text(DESK_PASSWORD + "\n")
    password.chmod(0o600)
    hashed = folder / "desk.vnc"
    hashed.write_bytes(subprocess.run(["tigervncpasswd", "-f"], input=DESK_PASSWORD.encode(), capture_output=True, check=True).stdout)
    start("Xtigervnc", f":{desk}", "-rfbport", str(5900 + desk), "-localhost", "-geometry", "800x600", "-depth", "24",
          "-SecurityTypes", "VncAuth", "-PasswordFile", str(hashed), stderr=subprocess.DEVNULL)
    until("the desktop", lambda: listens(5900 + desk))
    # Something to see that does not move.
    start("xlogo", "-display", f":{desk}", "-geometry", "400x300+50+60")
    until("something on the desktop", lambda: len(xwd(desk).getcolors() or [1, 2]) > 1)

    hosts = folder / "hosts.toml"
    start(fakes, "--hosts", str(hosts), "testdata/ast2500/screen-grub-720x400.png", stdout=subprocess.DEVNULL)
    until("the BMC", lambda: hosts.exists() and "password" in hosts.read_text())
    bmc = hosts.read_text()
    entries = bmc + f"""
[[server]]
id = "vm1"
console = "vnc://127.0.0.1:{5900 + vm}"
password_env = "VM1"
[[server]]
id = "desk"
console = "vnc://127.0.0.1:{5900 + desk}"
password_file = "desk.password"
"""
    hosts.write_text(entries)

    async with session(program, hosts) as client:
        listed = (await client.call_tool("list_servers", {})).structuredContent
        assert [server["id"] for server in listed["servers"]] == ["ns1.example", "vm1", "desk"], listed
        for server, truth, allowed in [
            ("ns1.example", lambda: Image.open("testdata/ast2500/screen-grub-720x400.png").convert("RGB"), 0),
            ("vm1", lambda: screendump(monitor, folder / "vm.ppm"), CURSOR),
            ("desk", lambda: xwd(desk), 0),
        ]:
            picture, told = await look(client, server)
            assert picture, told
            wrong = differing(picture, truth())
            assert wrong <= allowed, f"{server}: {wrong} pixels differ"
            print(f"{server}: {picture.size}, {wrong} pixels differ (a cursor may)")

    password_line = next(line for line in bmc.splitlines() if line.startswith("password"))
    address = next(line for line in bmc.splitlines() if line.startswith("console")).split('"')[1]
    mistakes = [
        ("ns1.example", entries.replace(password_line, 'password = "wrong"'), "does not accept the user and the password"),
        ("vm1", entries.replace('"VM1"', '"NOT_SET"'), "the environment has no NOT_SET"),
        ("vm1", entries.replace(f":{5900 + vm}", ":1"), "connection refused"),
        ("desk", entries.replace('password_file = "desk.password"', 'password = "wrong"'), "credentials"),
        ("ns1.example", entries.replace("ca_file", "# ca_file"), 'tls_pin = "sha256:'),
        ("desk", entries.replace(f"vnc://127.0.0.1:{5900 + desk}", address.replace("https", "wss") + "/nowhere")
                 + 'tls = "insecure"\n', "no WebSocket at this path"),
    ]
    for server, text, words in mistakes:
        hosts.write_text(text)
        async with session(program, hosts) as client:
            picture, told = await look(client, server)
            assert picture is None and words in told, (words, told)
            print(told)


with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
    asyncio.run(main(sys.argv[1], sys.argv[2], pathlib.Path(name), stack))
