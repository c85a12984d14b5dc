"""The Python SDK 1.x: python sdk1.py http URL | stdio PROGRAM"""

import asyncio
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

from looks import look_around


async def main(way: str, target: str) -> None:
    if way == "http":
        transport = streamablehttp_client(target)
    else:
        transport = stdio_client(StdioServerParameters(command=target, args=["stdio", "--demo"]))
    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        await look_around((await session.list_tools()).tools, session.call_tool)


asyncio.run(main(*sys.argv[1:]))
