"""Machines of one's own through the official Python SDK: QEMU, a TigerVNC desktop and the fake AMI BMC in one file.

Usage: hosts.py PROGRAM FAKES FOLDER. The picture of each equals what it shows by its own account, and each mistake in the file
has its own sentence.
"""

import asyncio
import pathlib
import subprocess
import sys

from PIL import Image

from servers import Qemu, accepts, draw, free_display, free_port, fresh, start, until, x_screen
from session import entry, look, session

# A blinking cursor may differ between two pictures: one cell of text.
CURSOR = 9 * 16
QEMU_PASSWORD, DESK_PASSWORD = "qemu-pw", "desk-pw"


def differing(ours: Image.Image, truth: Image.Image) -> int:
    assert ours.size == truth.size, (ours.size, truth.size)
    a, b = ours.tobytes(), truth.tobytes()
    return sum(a[at : at + 3] != b[at : at + 3] for at in range(0, len(a), 3))


async def main(program: str, fakes: str, folder: pathlib.Path) -> None:
    secret = f"secret,id=pw,data={QEMU_PASSWORD}"
    vm = Qemu(folder, "-object", secret, vnc=",password-secret=pw")
    vm.settle()
    desk, desk_port, password = f":{free_display()}", free_port(), folder / "desk.password"
    password.write_text(DESK_PASSWORD + "\n")
    password.chmod(0o600)
    hashed = folder / "desk.vnc"
    hashed.write_bytes(subprocess.run(["tigervncpasswd", "-f"], input=DESK_PASSWORD.encode(), capture_output=True, check=True).stdout)
    start(folder, "Xtigervnc", desk, "-rfbport", str(desk_port), "-localhost", "-geometry", "800x600", "-depth", "24",
          "-SecurityTypes", "VncAuth", "-PasswordFile", str(hashed))
    until("the desktop", lambda: accepts(desk_port))
    # Something to see that does not move.
    draw(folder, desk, "xlogo", "-geometry", "400x300+50+60")

    hosts = folder / "hosts.toml"
    start(folder, fakes, "--hosts", str(hosts), "testdata/ast2500/screen-grub-720x400.png")
    until("the BMC", lambda: hosts.exists() and "password" in hosts.read_text())
    bmc = hosts.read_text()
    entries = bmc + entry("vm1", vm.port, 'password_env = "VM1"')
    entries += entry("desk", desk_port, 'password_file = "desk.password"')
    hosts.write_text(entries)

    async with session(program, hosts, VM1=QEMU_PASSWORD) as client:
        listed = (await client.call_tool("list_servers", {})).structuredContent
        assert [server["id"] for server in listed["servers"]] == ["ns1.example", "vm1", "desk"], listed
        for server, truth, allowed in [
            ("ns1.example", lambda: Image.open("testdata/ast2500/screen-grub-720x400.png").convert("RGB"), 0),
            ("vm1", lambda: Image.open(vm.screendump()), CURSOR),
            ("desk", lambda: Image.frombytes("RGB", *x_screen(desk)), 0),
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
        ("vm1", entries.replace(f":{vm.port}", ":1"), "connection refused"),
        ("desk", entries.replace('password_file = "desk.password"', 'password = "wrong"'), "credentials"),
        ("ns1.example", entries.replace("ca_file", "# ca_file"), 'tls_pin = "sha256:'),
        ("desk", entries.replace(f"vnc://127.0.0.1:{desk_port}", address.replace("https", "wss") + "/nowhere")
                 + 'tls = "insecure"\n', "no WebSocket at this path"),
    ]
    for server, text, words in mistakes:
        hosts.write_text(text)
        async with session(program, hosts, VM1=QEMU_PASSWORD) as client:
            picture, told = await look(client, server)
            assert picture is None and words in told, (words, told)
            print(told)


folder = fresh(sys.argv[3])
asyncio.run(main(sys.argv[1], sys.argv[2], folder))
