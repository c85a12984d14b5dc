"""What the peers' scripts look at: servers that end with the script, and what they show by their own account."""

import atexit
import contextlib
import json
import pathlib
import shutil
import socket
import struct
import subprocess
import time

LIMIT = 60  # seconds that anything may take
children = []


def start(folder, *command, **options):
    """Starts a server with its log in the folder; it ends with us."""
    with open(folder / f"{pathlib.Path(command[0]).name}-{len(children)}.log", "w") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **{"stdout": log, "stderr": log, **options})
    children.append(child)
    return child


def end(child):
    """Ends it, and insists where it does not hear: an X server that resets itself forgets a signal."""
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@atexit.register
def stop():
    for child in reversed(children):
        end(child)


def free_port():
    """A port above 5900 that nobody listens on."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if (port := listener.getsockname()[1]) > 5900:
                return port


def free_display():
    """A number that no X server has."""
    return next(number for number in range(40, 200) if not pathlib.Path(f"/tmp/.X11-unix/X{number}").exists())


def fresh(name):
    """A folder of this name with nothing in it."""
    folder = pathlib.Path(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def until(what, found):
    end = time.monotonic() + LIMIT
    while not found():
        if time.monotonic() > end:
            raise TimeoutError(f"never seen: {what}")
        time.sleep(0.05)


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def x_screen(display):
    """Size and RGB bytes of what an X server shows, by its own client (X11 window dump, version 7, in 32 bits a pixel)."""
    dump = subprocess.run(["xwd", "-root", "-silent", "-display", display], check=True, capture_output=True).stdout
    header = struct.unpack(">25I", dump[:100])
    size, (width, height), bits, line, colors = header[0], header[4:6], header[11], header[12], header[19]
    assert bits == 32 and line == 4 * width, header
    # Not the table of colors: it has bytes that are another each time.
    pixels = dump[size + 12 * colors :]
    rgb = bytearray(3 * width * height)
    rgb[::3], rgb[1::3], rgb[2::3] = pixels[2::4], pixels[1::4], pixels[::4]
    return (width, height), bytes(rgb)


def draw(folder, display, client, *arguments):
    """Starts a client of an X server, and waits until it shows something and the screen stays as it is; the client."""
    last = [before := x_screen(display)]
    child = start(folder, client, "-display", display, *arguments)

    def is_drawn():
        time.sleep(0.5)
        previous, last[0] = last[0], x_screen(display)
        return previous == last[0] != before

    until(f"{client} on {display}", is_drawn)
    return child


class Qemu:
    """A machine with its screen at a VNC port: without options one that finds nothing to boot."""

    def __init__(self, folder, *options, vnc="", memory=64, running=True):
        self.folder, self.port, self.web = folder, free_port(), free_port()
        self.monitor = str(folder / f"monitor-{len(children)}")
        display = f"127.0.0.1:{self.port - 5900},websocket={self.web}{vnc}"
        self.process = start(
            folder, "qemu-system-x86_64", "-accel", "tcg", "-m", str(memory), "-nodefaults", "-vga", "std", "-no-reboot",
            "-vnc", display, "-qmp", f"unix:{self.monitor},server=on,wait=off", *(() if running else ("-S",)), *options)
        until("QEMU", lambda: accepts(self.port) and accepts(self.web))

    def command(self, name, **arguments):
        """Has QEMU do something, by its monitor."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(self.monitor)
            answers = monitor.makefile()
            answers.readline()
            for message in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
                monitor.sendall(json.dumps(message).encode() + b"\n")
                while "return" not in (answer := json.loads(answers.readline())):
                    assert "error" not in answer, answer

    def press(self, *keys):
        for key in keys:
            self.command("send-key", keys=[{"type": "qcode", "data": key}])
            time.sleep(0.2)

    def screendump(self):
        """The file of a picture of the screen."""
        picture = self.folder / "truth.ppm"
        self.command("screendump", filename=str(picture))
        return picture

    def text(self):
        """The rows of 80x25 text in its video memory, where it does not scroll by moving in that."""
        memory = self.folder / "memory"
        self.command("pmemsave", val=0xB8000, size=80 * 25 * 2, filename=str(memory))
        text = memory.read_bytes()[::2].decode("cp437").translate({0: " ", 0x18: "↑", 0x19: "↓"})
        return [text[at : at + 80].rstrip() for at in range(0, len(text), 80)]

    def settle(self):
        """Waits until the firmware has said all that it has to say."""
        last = []

        def settled():
            before, last[:] = last[:], self.text()
            time.sleep(2)
            return before == last and "No bootable device." in last

        until("SeaBIOS's last words", settled)

    def end(self):
        end(self.process)
