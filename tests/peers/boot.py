"""The text of machines that boot, through the official Python SDK: QEMU over VNC, and its screens from the fake AMI BMC.

Usage: boot.py PROGRAM FAKES KERNEL BUSYBOX FOLDER. GRUB's menu, a login prompt and a kernel panic are read character for
character, the prompt is awaited and seen within a second, and a picture is said to be one. The truth is what the machine
wrote to its serial line, and for GRUB its video memory.
"""

import asyncio
import gzip
import pathlib
import subprocess
import sys
import time

from PIL import Image

from servers import LIMIT, Qemu, fresh, start, until
from session import entry, look, read, session

MODULES = "/usr/lib/grub/i386-pc"
COLUMNS, ROWS = 80, 25
MENU = """\
set timeout=-1
set default=1
menuentry 'Debian GNU/Linux' { true }
menuentry 'Debian GNU/Linux, with Linux 6.1.0-56-cloud-amd64 (recovery mode)' { true }
menuentry 'A "picture" [0x1f4]' {
    set gfxmode=640x480
    terminal_output gfxterm
    background_image (memdisk)/picture.tga
    clear
    sleep 9999
}
"""
# What the machine writes to its screen, cleared, and to its serial line.
LOGIN = """\
Debian GNU/Linux 12 testhost tty1

eth0: 10.0.2.15/24 fe80::5054:ff:fe12:3456  0x00000000fec00000-0x00000000fec003ff

testhost login: """
INIT = f"""\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox dmesg -n 1
/bin/busybox printf '\\033[H\\033[J' > /dev/tty0
for console in tty0 ttyS0; do
    /bin/busybox printf '%s' '{LOGIN}' > /dev/$console
done
/bin/busybox sleep 9999
"""
# Seconds after which a wait has told its progress at the latest.
PROGRESS = 6
# How often a machine is booted whose prompt is not seen within a second: QEMU itself may be late on a busy machine.
BOOTS = 3


def cpio(files):
    """An archive of executables and folders (None) in the form that kernels unpack: "newc"."""
    archive = b""
    for number, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")]):
        mode = 0o40755 if content is None else 0o100755
        path, content = name.encode() + b"\0", content or b""
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0]
        for part in (b"070701" + b"".join(b"%08x" % field for field in fields) + path, content):
            archive += part + bytes(-len(part) % 4)
    return archive


def grub(folder):
    """A disk that boots GRUB's menu; one of its entries shows a picture."""
    rows, columns = range(200), range(320)
    colors = (((x * 7 + y * 3) % 256, (x * x // 50 + y) % 256, x * y // 40 % 256) for y in rows for x in columns)
    Image.frombytes("RGB", (320, 200), bytes(value for color in colors for value in color)).save(folder / "picture.tga")
    (folder / "grub.cfg").write_text(MENU)
    (folder / "early.cfg").write_text("normal (memdisk)/grub.cfg\n")
    memdisk, core = folder / "memdisk.tar", folder / "core.img"
    subprocess.run(["tar", "-c", "--format=ustar", "-C", folder, "-f", memdisk, "grub.cfg", "picture.tga"], check=True)
    modules = "biosdisk memdisk tar normal true sleep tga vbe gfxterm gfxterm_background"
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-p", "/", "-c", folder / "early.cfg", "-m", memdisk, "-o", core,
                    *modules.split()], check=True)
    disk = folder / "disk.img"
    disk.write_bytes((pathlib.Path(MODULES) / "boot.img").read_bytes() + core.read_bytes() + bytes(1 << 20))
    return "-drive", f"file={disk},format=raw"


def screen(serial):
    """The rows of a text screen on which this was written."""
    lines = serial.replace("\r", "").split("\n")
    rows = [line[at : at + COLUMNS].rstrip() for line in lines for at in range(0, max(len(line), 1), COLUMNS)]
    return rows[-ROWS:]


def rows_of(text):
    return (text.split("\n") + [""] * ROWS)[:ROWS]


async def reads(client, server, truth):
    """What the console shows, once all of it has come, is read, and nothing else."""
    await client.call_tool("wait_for_console", {"serverId": server, "until": {"stillFor": 1}})
    told, reading = await read(client, server)
    wrong = [(seen, true) for seen, true in zip(rows_of(reading["text"]), rows_of("\n".join(truth))) if seen != true]
    assert not wrong, f"{server}: (read, written): {wrong}\n{told}"
    assert reading["status"] == "exact", told
    print(f"{server}: {sum(len(row) for row in truth)} characters, {told.splitlines()[0]}")


async def is_told_to_look(client, server):
    """A screen that is no text is not read, and the tool says what to call."""
    deadline = time.monotonic() + LIMIT
    told, reading = await read(client, server)
    while reading["status"] == "partial" and time.monotonic() < deadline:
        # The machine has changed the size of its screen and not drawn it yet.
        told, reading = await read(client, server)
    assert reading["status"] == "none" and reading["text"] == "", told
    assert "get_screenshot" in told and "get_screenshot" in reading["advice"], told
    picture, _ = await look(client, server)
    assert picture.size == (640, 480)
    print(f"{server}: {told.strip()}")


class Linux(Qemu):
    """A real kernel, not yet running, and its serial line."""

    def __init__(self, folder, kernel, *options):
        self.serial = folder / "serial"
        self.serial.write_bytes(b"")
        parameters = "console=ttyS0 console=tty0 vga=normal nomodeset"
        super().__init__(folder, "-serial", f"file:{self.serial}", "-kernel", kernel, "-append", parameters, *options,
                         memory=256, running=False)

    def wrote(self):
        return self.serial.read_text(errors="replace")


async def login(program, folder, kernel, busybox):
    """Boots until the prompt is there; its picture."""
    initramfs = folder / "initramfs.gz"
    files = {"bin": None, "dev": None, "bin/busybox": pathlib.Path(busybox).read_bytes(), "init": INIT.encode()}
    initramfs.write_bytes(gzip.compress(cpio(files), 1))
    for _ in range(BOOTS):
        machine = Linux(folder, kernel, "-initrd", str(initramfs))
        hosts = folder / "hosts.toml"
        hosts.write_text(entry("login", machine.port))
        async with session(program, hosts) as client:
            lines = []

            async def progress(_done, _total, message):
                lines.append(message)

            async def written():
                while "login:" not in machine.wrote():
                    await asyncio.sleep(0.01)
                return time.monotonic()

            asked = {"serverId": "login", "until": {"text": "testhost login:"}, "timeoutSeconds": LIMIT}
            clock = asyncio.create_task(written())
            waiting = asyncio.create_task(client.call_tool("wait_for_console", asked, progress_callback=progress))
            began = time.monotonic()
            machine.command("cont")
            told = (await waiting).content[0].text
            late = time.monotonic() - await clock
            assert told.startswith("Seen after ") and "testhost login:" in told, told
            assert lines or time.monotonic() - began < PROGRESS, "no progress was told"
            print(f"{told.splitlines()[0]}, {late:.2f} s after it was written; {len(lines)} lines of progress")
            truth = screen(LOGIN)
            assert screen(machine.wrote())[-len(truth) :] == truth, machine.wrote()
            await reads(client, "login", truth)
        picture = Image.open(machine.screendump()).copy()
        machine.end()
        if late < 1:
            return picture, truth
    raise AssertionError(f"the prompt was not seen within a second, in {BOOTS} boots")


async def panic(program, folder, kernel):
    """Boots a kernel that finds no root; the picture and the text of its panic."""
    machine = Linux(folder, kernel)
    hosts = folder / "hosts.toml"
    hosts.write_text(entry("panic", machine.port))
    async with session(program, hosts) as client:
        asked = {"serverId": "panic", "until": {"regex": r"end Kernel panic"}, "timeoutSeconds": LIMIT}
        machine.command("cont")
        told = (await client.call_tool("wait_for_console", asked)).content[0].text
        assert told.startswith("Seen after "), told
        until("the end of the panic", lambda: machine.wrote().rstrip().endswith("]---"))
        truth = screen(machine.wrote())
        assert any("Kernel Offset: 0x" in row for row in truth), truth
        await reads(client, "panic", truth)
    picture = Image.open(machine.screendump()).copy()
    machine.end()
    return picture, truth


async def menu(program, folder):
    """GRUB's menu, and the picture that it shows; the pictures and the text of each."""
    machine = Qemu(folder, *grub(folder))
    hosts = folder / "hosts.toml"
    hosts.write_text(entry("grub", machine.port))
    async with session(program, hosts) as client:
        told = (await client.call_tool("wait_for_console", {"serverId": "grub", "until": {"text": "recovery mode"}}))
        assert told.content[0].text.startswith("Seen after "), told.content[0].text
        until("the whole menu", lambda: any("command-line" in row for row in machine.text()))
        truth = machine.text()
        await reads(client, "grub", truth)
        shown = Image.open(machine.screendump()).copy()
        machine.press("down", "ret")
        until("the picture", lambda: len(Image.open(machine.screendump()).getcolors(1 << 20)) > 999)
        await is_told_to_look(client, "grub")
    picture = Image.open(machine.screendump()).copy()
    machine.end()
    return [(shown, truth), (picture, None)]


async def main(program, fakes, kernel, busybox, folder):
    screens = [await login(program, folder, kernel, busybox), await panic(program, folder, kernel), *await menu(program, folder)]
    files = [str(folder / f"screen-{number}.png") for number in range(len(screens))]
    for file, (picture, _) in zip(files, screens):
        picture.save(file)
    hosts = folder / "bmcs.toml"
    start(folder, fakes, "--servers", str(len(files)), "--hosts", str(hosts), *files)
    until("the BMCs", lambda: hosts.exists() and hosts.read_text().count("[[server]]") == len(files))
    async with session(program, hosts) as client:
        for number, (_, truth) in enumerate(screens, 1):
            if truth:
                await reads(client, f"ns{number}.example", truth)
            else:
                await is_told_to_look(client, f"ns{number}.example")


asyncio.run(main(*sys.argv[1:5], fresh(sys.argv[5])))
