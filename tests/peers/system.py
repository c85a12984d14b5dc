"""What the machine below may do to ikvm-mcp: names that no DNS tells, or tells never, and a clock that is set back.

Usage: system.py dns PROGRAM FOLDER | system.py clock PROGRAM FAKES LIBFAKETIME FOLDER. The first needs to be root: the
program gets a resolv.conf of its own.
"""

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
import time

from servers import fresh, start, until

# Where the fake DNS listens: a name in resolv.conf has no port, so that it must be 53.
DNS = "127.0.0.153"
# A name may take this long, and after it TCP and TLS together.
CONNECT_LIMIT = 10


def dns(program, folder):
    """A command whose console's name is not found, and one whose DNS says nothing."""
    folder = fresh(folder)
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((DNS, 53))
    knows_nothing = [False]

    def serve():
        while True:
            query, client = listener.recvfrom(4096)
            if knows_nothing[0]:
                # The question again: an answer, no such name, no records.
                listener.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:], client)

    threading.Thread(target=serve, daemon=True).start()
    (folder / "resolv.conf").write_text(f"nameserver {DNS}\n")
    alone = f"mount --bind '{(folder / 'resolv.conf').resolve()}' /etc/resolv.conf && exec \"$@\""
    for knows_nothing[0], words in [(False, "no answer within 10 s|no address for bmc.example"), (True, "no address for bmc.example")]:
        for url in ["vnc://bmc.example:5900", "https://bmc.example/viewer?token=secret"]:
            begun = time.monotonic()
            command = ["unshare", "-m", "sh", "-c", alone, "sh", program, "screenshot", url, "-o", str(folder / "x.png")]
            told = subprocess.run(command, capture_output=True, text=True, timeout=60)
            took = time.monotonic() - begun
            print(f"{took:.1f} s: {told.stderr.strip()}")
            assert told.returncode == 1 and len(told.stderr.splitlines()) == 1, told
            assert re.search(words, told.stderr) and "bmc.example" in told.stderr and "secret" not in told.stderr, told
            assert took < CONNECT_LIMIT + 5, took


async def clock(program, fakes, library, folder):
    """A session during which the clock is set back, and forward."""
    from session import look, session

    folder = fresh(folder)
    hosts, now, audit, told = (folder / name for name in ("hosts.toml", "now", "audit", "environment"))
    with open(told, "w") as out:
        start(folder, fakes, "--hosts", str(hosts), stdout=out)
    until("the BMC", lambda: hosts.exists() and "ca_file" in hosts.read_text() and "SSL_CERT_FILE" in told.read_text())
    environment = dict(re.findall(r"export (\w+)=(.*)", told.read_text()))
    now.write_text("+0")
    faked = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(now), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
    async with session(program, hosts, **environment, **faked, IKVM_AUDIT=str(audit)) as client:
        for shift in ["+0", "-3d", "+3d", "-9d"]:
            now.write_text(shift)
            for server in ["ovh/ns1.example", "hosts/ns1.example"]:
                # Twice over the open console, then over a new one, which OVH gives to calls of the right time only.
                for _ in range(2):
                    picture, facts = await look(client, server)
                    assert picture, facts
                    age = float(re.search(r"^picture: \S+, ([0-9.]+) s old", facts, re.MULTILINE)[1])
                    assert age < 60, facts
                waited = await client.call_tool("wait_for_console", {"serverId": server, "until": {"stillFor": 1}})
                assert waited.content[0].text.startswith("Seen after "), waited.content[0].text
                released = await client.call_tool("release_console", {"serverId": server})
                assert "closed and logged out" in released.content[0].text, released.content[0].text
                print(f"{shift}, {server}: {facts.splitlines()[-1]}")
    entries = [json.loads(line) for line in audit.read_text().splitlines()]
    days = sorted({entry["time"][:10] for entry in entries})
    assert len(entries) == 4 * 2 * 4 and len(days) >= 4, (len(entries), days)
    assert all(entry["outcome"] == "done" for entry in entries), entries


if sys.argv[1] == "dns":
    dns(*sys.argv[2:])
else:
    asyncio.run(clock(*sys.argv[2:]))
