"""Desktops are no consoles: what real X programs draw is never read as text, and the tool says to take the picture.

Usage: desktops.py PROGRAM FOLDER. Each desktop is an Xvfb of its own behind x11vnc, and read through the official Python
SDK. None has an xterm in one of X's bitmap fonts: that is text, and may be read.
"""

import asyncio
import contextlib
import pathlib
import sys

from servers import accepts, draw, end, free_display, free_port, fresh, start, until
from session import entry, look, read, session

program, folder = sys.argv[1], fresh(sys.argv[2])
SIZE = "1280x800"
# A long text to show.
TEXT = str(pathlib.Path("README.md").resolve())
SHELL = ["sh", "-c", f"cat '{TEXT}'; sleep 9999"]
MONO = ["xterm", "-fa", "DejaVu Sans Mono", "-geometry", "100x30+20+20"]
TERMINAL = [*MONO, "-fs", "11", "-bg", "black", "-fg", "gray90", "-e", *SHELL]
CLOCKS = [["xclock", "-geometry", "300x300+40+40"], ["oclock", "-geometry", "200x200+400+60"],
          ["xclock", "-digital", "-face", "DejaVu Serif-20", "-geometry", "+40+500"]]
# twm's own are not among the fonts of every X server.
TWM = "".join(f'{part}Font "fixed"\n' for part in ["Title", "Menu", "Icon", "Resize", "IconManager"])
DESKTOPS = {  # their programs, in the order in which they begin; a clock ticks, and is no proof that another has drawn
    "clocks": CLOCKS,
    "logo, eyes, calculator": [["xlogo", "-geometry", "500x400+30+30"], ["xeyes", "-geometry", "400x300+700+40"],
                               ["xcalc", "-geometry", "+700+400"]],
    "windows": [["xcalc", "-geometry", "+40+40"], ["xman", "-geometry", "+500+60"], ["xlogo", "-geometry", "200x200+560+200"],
                ["twm", "-f", str(folder / "twmrc")]],
    "terminal, light on dark": [TERMINAL],
    "terminal, dark on light": [[*MONO, "-fs", "14", "-bg", "white", "-fg", "black", "-e", *SHELL]],
    "terminal, small": [[*MONO, "-fs", "8", "-e", *SHELL]],
    "terminals that overlap": [TERMINAL, ["xterm", "-fa", "DejaVu Serif", "-fs", "12", "-geometry", "80x20+300+300", "-e", *SHELL]],
    "proportional text": [["xclock", "-digital", "-face", f"DejaVu Sans-{size}", "-geometry", f"+20+{30 + 60 * row}", "-strftime",
                           "%c The quick brown fox jumps over the lazy dog"] for row, size in enumerate([9, 10, 11, 12, 14, 18])],
    "a photo": [["display", "-window", "root", "-size", SIZE, "plasma:tomato-steelblue"]],
    "a fine pattern": [["display", "-window", "root", "-size", SIZE, "pattern:hs_diagcross"]],
}


async def main():
    read_as_text = []
    (folder / "twmrc").write_text(TWM)
    for number, (name, clients) in enumerate(DESKTOPS.items()):
        display, port = f":{free_display()}", free_port()
        with contextlib.ExitStack() as ended:
            ended.callback(end, start(folder, "Xvfb", display, "-screen", "0", f"{SIZE}x24", "-noreset"))
            until("Xvfb", pathlib.Path(f"/tmp/.X11-unix/X{display[1:]}").exists)
            for client in clients:
                ended.callback(end, draw(folder, display, *client))
            ended.callback(end, start(folder, "x11vnc", "-display", display, "-rfbport", str(port), "-localhost", "-nopw",
                                      "-forever", "-quiet", "-nocursor"))
            until("x11vnc", lambda: accepts(port))
            hosts = folder / "hosts.toml"
            hosts.write_text(entry("desk", port))
            async with session(program, hosts) as client:
                told, reading = await read(client, "desk")
                picture, _ = await look(client, "desk")
                picture.save(folder / f"{number}.png")
                is_refused = reading["status"] == "none" and reading["text"] == "" and "get_screenshot" in reading["advice"]
                if not is_refused:
                    read_as_text.append(name)
                print(f"{name} ({number}.png): {told.strip()}", flush=True)
    assert not read_as_text, f"read as text: {read_as_text}"


asyncio.run(main())
