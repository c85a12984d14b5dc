#!/usr/bin/env python3
"""Tries ikvm-mcp with real VNC servers: QEMU, TigerVNC, TightVNC, x11vnc, websockify. Its picture must be theirs to the
pixel, in each encoding that they can send without loss, over each carrier, with each way to sign on.

Usage: vnc.py PROGRAM FOLDER. Everything runs on loopback, in FOLDER. Needs the programs that .ci/run installs."""

import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

from servers import LIMIT, Qemu, accepts, children, draw, free_display, free_port, fresh, start, until, x_screen

program, folder = os.path.realpath(sys.argv[1]), fresh(sys.argv[2])
PASSWORD = "secret12"
ENCODINGS = {"Raw": 0, "RRE": 2, "CoRRE": 4, "Hextile": 5, "zlib": 6, "Tight": 7, "TightPNG": -260, "ZRLE": 16}
failures = []


def pixels(picture):
    """Size and RGB bytes of a picture in any format."""
    size = subprocess.run(["identify", "-format", "%w %h", picture], check=True, capture_output=True).stdout
    rgb = subprocess.run(["convert", picture, "-depth", "8", "rgb:-"], check=True, capture_output=True).stdout
    width, height = map(int, size.split())
    return (width, height), rgb


def look(url, **environment):
    """What ikvm-mcp sees there: the picture, or its error."""
    picture = folder / "seen.png"
    picture.unlink(missing_ok=True)
    command = [program, "screenshot", url, "--raw", "-o", picture]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=LIMIT)
    return pixels(picture) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def check(name, seen, wanted):
    if callable(wanted):
        good = isinstance(seen, str) and wanted(seen)
    else:
        good = seen == wanted
    if not good:
        failures.append(name)
        if isinstance(seen, str):
            print(f"   {seen}")
        else:
            print(f"   {seen[0]}, not {wanted if callable(wanted) else wanted[0]}")
    print(f"{'passed' if good else 'FAILED'}: {name}", flush=True)


def says(words):
    """An error with these words."""
    return lambda seen: words in seen


def only(encoding, target):
    """A proxy that lets the client ask for one encoding alone, besides those that are no pictures; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def exactly(client, count):
        data = b""
        while len(data) < count:
            more = client.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def upstream(client, server):
        server.sendall(exactly(client, 12))
        security = exactly(client, 1)
        server.sendall(security)
        if security == b"\2":
            server.sendall(exactly(client, 16))
        server.sendall(exactly(client, 1))
        while True:
            kind = exactly(client, 1)
            if kind == b"\0":
                message = exactly(client, 19)
            elif kind == b"\2":
                padding, count = struct.unpack(">BH", exactly(client, 3))
                asked = struct.unpack(f">{count}i", exactly(client, count * 4))
                # Not the pseudo-encodings of quality and compression: they would bring JPEG in.
                kept = [encoding] + [number for number in asked if number in (-223, -224, -239, -308)]
                message = struct.pack(f">BH{len(kept)}i", padding, len(kept), *kept)
            else:
                message = exactly(client, 9)
            server.sendall(kind + message)

    def downstream(client, server):
        while data := server.recv(65536):
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)

    def serve():
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", target))
            for way in (upstream, downstream):
                threading.Thread(target=quietly, args=(way, client, server), daemon=True).start()

    def quietly(way, client, server):
        with contextlib.suppress(OSError):
            way(client, server)
        server.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def every_encoding(name, port, truth, encodings, **environment):
    check(f"{name}, the encoding it likes", look(f"vnc://127.0.0.1:{port}", **environment), truth())
    for encoding in encodings:
        proxy = only(ENCODINGS[encoding], port)
        check(f"{name}, {encoding} only", look(f"vnc://127.0.0.1:{proxy}", **environment), truth())


def certificate():
    """An authority's certificate and a server's for 127.0.0.1, where QEMU wants them: key, certificate, its pin."""
    key, cert, request = (folder / name for name in ("server-key.pem", "server-cert.pem", "request.pem"))
    authority, authority_key, names = (folder / name for name in ("ca-cert.pem", "ca-key.pem", "names.cnf"))
    names.write_text("basicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1\n")

    def openssl(*arguments):
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=Peers CA", "-keyout",
            authority_key, "-out", authority)
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=vm", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "30",
            "-extfile", names, "-out", cert)
    return key, cert, "sha256:" + openssl("x509", "-in", cert, "-noout", "-fingerprint", "-sha256").strip().split("=")[1]


class Frozen(Qemu):
    """A machine that finds nothing to boot, stopped where SeaBIOS has said so."""

    def __init__(self, *options, vnc="", running=True):
        super().__init__(folder, *options, vnc=vnc, running=running)
        if running:
            self.freeze()

    def freeze(self):
        self.settle()
        self.command("stop")
        # Its last words and its cursor may not be drawn yet.
        self.truth()

    def truth(self):
        return pixels(self.screendump())


def qemu(key, cert, pin):
    machine = Frozen()
    truth = machine.truth
    assert len(set(truth()[1])) > 1, "nothing on QEMU's screen"
    every_encoding("QEMU", machine.port, truth, ["Raw", "Hextile", "zlib", "Tight", "TightPNG", "ZRLE"])
    check("QEMU, its own WebSocket", look(f"ws://127.0.0.1:{machine.web}"), truth())
    check("QEMU, a wrong path", look(f"ws://127.0.0.1:{machine.web}/x"), says("no WebSocket at this path (HTTP 404)"))
    insists = look(f"vnc+tls://127.0.0.1:{machine.port}")
    check("QEMU, TLS where it has none", insists, says("no TLS with a certificate, only 1 (None)"))

    secret = ("-object", f"secret,id=vp,data={PASSWORD}")
    machine = Frozen(*secret, vnc=",password-secret=vp")
    url = f"vnc://127.0.0.1:{machine.port}"
    check("QEMU, a password", look(url, IKVM_CONSOLE_PASSWORD=PASSWORD), machine.truth())
    check("QEMU, a wrong password", look(url, IKVM_CONSOLE_PASSWORD="wrong"), says("did not accept the credentials"))
    check("QEMU, no password", look(url), says("the server asks for a password"))

    tls = ("-object", f"tls-creds-x509,id=tls,dir={folder},endpoint=server,verify-peer=off")
    for name, options, vnc, password in (
        ("X509None", tls, ",tls-creds=tls", {}),
        ("X509Vnc", tls + secret, ",tls-creds=tls,password-secret=vp", {"IKVM_CONSOLE_PASSWORD": PASSWORD}),
    ):
        machine = Frozen(*options, vnc=vnc)
        url = f"vnc+tls://127.0.0.1:{machine.port}"
        check(f"QEMU, VeNCrypt {name}, pinned", look(url, IKVM_CONSOLE_TLS=pin, **password), machine.truth())
        check(f"QEMU, VeNCrypt {name}, not pinned", look(url, **password), says('its certificate is of an unknown authority ("Peers CA")'))
        check(f"QEMU, VeNCrypt {name}, unchecked", look(url, IKVM_CONSOLE_TLS="insecure", **password), machine.truth())
        check(f"QEMU, WebSocket over TLS beside {name}",
              look(f"wss://127.0.0.1:{machine.web}", IKVM_CONSOLE_TLS=pin, **password), machine.truth())


def x_server(name, *command):
    """Starts an X server on a display of its own, with something to look at; the display."""
    number = free_display()
    display = f":{number}"
    start(folder, name, display, *command, "-geometry" if name != "Xvfb" else "-screen",
          *(["1024x768"] if name != "Xvfb" else ["0", "1024x768x24"]))
    until(name, pathlib.Path(f"/tmp/.X11-unix/X{number}").exists)
    # Nothing in the middle, where the pointer is, which may be in the truth, too.
    for client, place in (["xlogo"], "+40+30"), (["xcalc"], "+700+30"), (["xmag", "-source", "64x64+0+0"], "+40+450"):
        draw(folder, display, *client, "-geometry", place)
    return display


def tigervnc(key, cert, pin):
    port = free_port()
    display = x_server("Xtigervnc", "-depth", "24", "-SecurityTypes", "None", "-rfbport", str(port), "-localhost",
                       "-AlwaysShared")
    truth = lambda: x_screen(display)
    every_encoding("TigerVNC", port, truth, ["Raw", "RRE", "Hextile", "Tight", "ZRLE"])

    bridge = free_port()
    start(folder, "websockify", f"127.0.0.1:{bridge}", f"127.0.0.1:{port}")
    until("websockify", lambda: accepts(bridge))
    check("websockify before TigerVNC", look(f"ws://127.0.0.1:{bridge}/websockify?token=any"), truth())
    secure = free_port()
    start(folder, "websockify", f"--cert={cert}", f"--key={key}", "--ssl-only", f"127.0.0.1:{secure}", f"127.0.0.1:{port}")
    until("websockify", lambda: accepts(secure))
    check("websockify with TLS before TigerVNC", look(f"wss://127.0.0.1:{secure}/", IKVM_CONSOLE_TLS=pin), truth())

    file = folder / "tigervnc-password"
    with open(file, "wb") as passwords:
        subprocess.run(["tigervncpasswd", "-f"], input=PASSWORD.encode() + b"\n", stdout=passwords, check=True)
    port = free_port()
    display = x_server("Xtigervnc", "-depth", "24", "-SecurityTypes", "X509Vnc,TLSVnc,VncAuth", "-X509Cert", str(cert),
                       "-X509Key", str(key), "-PasswordFile", str(file), "-rfbport", str(port), "-localhost")
    given = {"IKVM_CONSOLE_PASSWORD": PASSWORD, "IKVM_CONSOLE_TLS": pin}
    check("TigerVNC, X509Vnc", look(f"vnc+tls://127.0.0.1:{port}", **given), x_screen(display))
    check("TigerVNC, a wrong password through TLS", look(f"vnc://127.0.0.1:{port}", **{**given, "IKVM_CONSOLE_PASSWORD": "x"}),
          says("did not accept the credentials"))


def tightvnc():
    file = folder / "tightvnc-password"
    with open(file, "wb") as passwords:
        subprocess.run(["tightvncpasswd", "-f"], input=PASSWORD.encode() + b"\n", stdout=passwords, check=True)
    port = free_port()
    display = x_server("Xtightvnc", "-depth", "24", "-rfbport", str(port), "-localhost", "-alwaysshared", "-rfbauth",
                       str(file))
    encodings = ["Raw", "RRE", "CoRRE", "Hextile", "zlib", "Tight"]
    # What it likes is Tight with JPEG, which loses something: see the encodings one by one.
    for encoding in encodings:
        proxy = only(ENCODINGS[encoding], port)
        seen = look(f"vnc://127.0.0.1:{proxy}", IKVM_CONSOLE_PASSWORD=PASSWORD)
        check(f"TightVNC, {encoding} only", seen, x_screen(display))


def x11vnc():
    display, port = x_server("Xvfb"), free_port()
    start(folder, "x11vnc", "-display", display, "-rfbport", str(port), "-localhost", "-nopw", "-forever", "-shared", "-quiet",
          "-nocursor", "-noxdamage")
    until("x11vnc", lambda: accepts(port))
    truth = lambda: x_screen(display)
    every_encoding("x11vnc", port, truth, ["Raw", "RRE", "CoRRE", "Hextile", "zlib", "Tight", "ZRLE"])
    check("x11vnc, its own WebSocket", look(f"ws://127.0.0.1:{port}/"), truth())


class Mcp:
    """ikvm-mcp as a client of MCP starts it, with these servers."""

    def __init__(self, **consoles):
        hosts = folder / "hosts.toml"
        entries = (f'[[server]]\nid = "{name}"\nconsole = "{url}"\n' for name, url in consoles.items())
        hosts.write_text("\n".join(entries))
        command = [program, "stdio", "--hosts", hosts]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(self.child)
        self.number = 0
        self.call("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t", "version": "1"})
        self.send(method="notifications/initialized")

    def send(self, **message):
        self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.child.stdin.flush()

    def call(self, method, **params):
        self.number += 1
        self.send(id=self.number, method=method, params=params)
        while (answer := json.loads(self.child.stdout.readline())).get("id") != self.number:
            pass
        return answer["result"]

    def look(self, server):
        result = self.call("tools/call", name="get_screenshot", arguments={"serverId": server, "raw": True})
        texts = [part["text"] for part in result["content"] if part["type"] == "text"]
        images = [part["data"] for part in result["content"] if part["type"] == "image"]
        if not images:
            return texts[0]
        import base64
        picture = folder / "seen.png"
        picture.write_bytes(base64.b64decode(images[0]))
        return pixels(picture)


def resize():
    """A machine is switched on while we look at it: its screen changes its size twice and more."""
    machine = Frozen(running=False)
    mcp = Mcp(vm=f"vnc://127.0.0.1:{machine.port}")
    before = mcp.look("vm")
    check("QEMU, before it is switched on", before, machine.truth())
    machine.command("cont")
    machine.freeze()
    # Within the seconds that QEMU takes to look at a screen where nothing happens.
    end = time.monotonic() + LIMIT
    while (seen := mcp.look("vm")) != (truth := machine.truth()) and time.monotonic() < end:
        time.sleep(0.5)
    check("QEMU, switched on while we watch: another size, the right picture", seen, truth)
    mcp.child.stdin.close()
    mcp.child.wait(LIMIT)


def main():
    credentials = certificate()
    qemu(*credentials)
    resize()
    tigervnc(*credentials)
    tightvnc()
    x11vnc()
    print(f"{len(failures)} failed" if failures else "all passed")
    sys.exit(bool(failures))


main()
