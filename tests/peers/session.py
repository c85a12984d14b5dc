"""A session of the official Python SDK 1.x with ikvm-mcp and a hosts.toml."""

import base64
import contextlib
import io

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image


@contextlib.asynccontextmanager
async def session(program, hosts, **environment):
    server = StdioServerParameters(command=program, args=["stdio", "--hosts", str(hosts)], env=environment)
    async with stdio_client(server) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        yield client


def entry(name, port, *lines):
    """A server of hosts.toml whose console is RFB at this port."""
    return "\n".join(["[[server]]", f'id = "{name}"', f'console = "vnc://127.0.0.1:{port}"', *lines, ""])


async def look(client, server):
    """Its picture, which is missing where that failed, and what is told with it."""
    result = await client.call_tool("get_screenshot", {"serverId": server, "raw": True})
    told = result.content[-1].text
    if result.isError:
        return None, told
    return Image.open(io.BytesIO(base64.b64decode(result.content[0].data))).convert("RGB"), told


async def read(client, server):
    """What read_console tells for people, and for programs."""
    result = await client.call_tool("read_console", {"serverId": server, "frames": True})
    assert not result.isError, result.content[0].text
    return result.content[0].text, result.structuredContent
