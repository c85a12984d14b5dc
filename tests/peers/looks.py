"""What every Python client does with the demo servers; `call` calls a tool and gives its result."""

import base64
import json
import re
import struct


def png_size(text: str) -> tuple[int, int]:
    data = base64.b64decode(text, validate=True)
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND"
    return struct.unpack(">II", data[16:24])


def wire(result) -> dict:
    """A result as it came over the wire, whatever this SDK calls its fields."""
    return result.model_dump(by_alias=True, exclude_none=True)


async def look_around(tools, call) -> None:
    names = ["list_servers", "get_screenshot", "read_console", "wait_for_console", "console_status"]
    names.append("release_console")
    assert [tool.name for tool in tools] == names

    listed = wire(await call("list_servers", {}))
    servers = listed["structuredContent"]["servers"]
    assert json.loads(listed["content"][0]["text"]) == servers
    assert any(server["id"] == "demo-grub" for server in servers)

    for raw, size in [(False, (1440, 800)), (True, (720, 400))]:
        look = wire(await call("get_screenshot", {"serverId": "demo-grub", "raw": raw}))
        assert [block["type"] for block in look["content"]] == ["image", "text"], look
        assert look["content"][0]["mimeType"] == "image/png"
        assert png_size(look["content"][0]["data"]) == size
        assert "demo-grub" in look["content"][1]["text"]
        assert not look.get("isError") and "structuredContent" not in look

    region = {"x": 0, "y": 0, "width": 90, "height": 50}
    closer = wire(await call("get_screenshot", {"serverId": "demo-grub", "region": region}))
    assert png_size(closer["content"][0]["data"]) == (720, 400)
    since = re.search(r"^picture: (\S+),", closer["content"][1]["text"], re.MULTILINE).group(1)
    seen = {"serverId": "demo-grub", "ifChangedSince": since}
    again = wire(await call("get_screenshot", seen))
    assert [block["type"] for block in again["content"]] == ["text"]
    status = wire(await call("console_status", seen))
    assert "changed since that picture: no" in status["content"][0]["text"]
    read = wire(await call("read_console", {"serverId": "demo-grub"}))
    assert "GNU GRUB  version" in read["content"][0]["text"]
    assert "GNU GRUB  version" in read["structuredContent"]["text"]
    until = {"serverId": "demo-grub", "until": {"regex": "GRUB +version"}}
    waited = wire(await call("wait_for_console", until))
    assert waited["content"][0]["text"].startswith("Seen after ")
    wrong = wire(await call("get_screenshot", {"serverId": "demo-grub", "region": {"x": 0}}))
    assert wrong["isError"]
    released = wire(await call("release_console", {"serverId": "demo-grub"}))
    assert "closed and logged out" in released["content"][0]["text"]

    off = wire(await call("get_screenshot", {"serverId": "demo-off"}))
    assert [block["type"] for block in off["content"]] == ["text"] and not off.get("isError")

    unknown = wire(await call("get_screenshot", {"serverId": "nowhere"}))
    told = unknown["content"][0]["text"]
    assert unknown["isError"] and "no such server" in told and "list_servers" in told
