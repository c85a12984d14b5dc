"""The Python SDK 2.x: python sdk2.py http URL | stdio PROGRAM, then legacy | auto | REVISION"""

import asyncio
import sys

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from looks import look_around


async def main(way: str, target: str, era: str) -> None:
    if way == "stdio":
        target = stdio_client(StdioServerParameters(command=target, args=["stdio", "--demo"]))
    async with Client(target, mode=era) as client:
        assert client.protocol_version == ("2025-11-25" if era == "legacy" else "2026-07-28")

        async def nothing(*_) -> None:
            pass

        async def call(name, arguments):
            return await client.call_tool(name, arguments, progress_callback=nothing)

        await look_around((await client.list_tools()).tools, call)


asyncio.run(main(*sys.argv[1:]))
