"""MCP servers made with the official SDK: over stdio, or over Streamable HTTP.

``sdk_server.py stdio`` or ``sdk_server.py http [json] [TOKEN]``; over HTTP the port is the first
line of its output.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

server = MCPServer("official")
more: list[str] = []


@server.tool()
async def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
async def steps(ctx: Context) -> str:
    """Go in steps."""
    for done in range(1, 4):
        await ctx.report_progress(done, 3, f"step {done}")
    return "done"


@server.tool()
async def wait(ctx: Context) -> str:
    """Wait until it is cancelled."""
    try:
        await ctx.report_progress(1, None, "waits")
        await anyio.sleep_forever()
    finally:
        more.append("cancelled")
    return ""


@server.tool()
async def seen() -> list[str]:
    """Say what was cancelled."""
    return more


@server.tool()
def picture() -> Image:
    """Give an image."""
    return Image(data=b"\x89PNG", format="png")


@server.resource("notes://today")
def today() -> str:
    """Notes of today."""
    return "nothing"


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


def main(kind: str, *more: str) -> None:
    if kind == "stdio":
        server.run("stdio")
        return
    import uvicorn

    app = server.streamable_http_app(json_response="json" in more)
    token = next((one for one in more if one != "json"), None)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and token is not None:
            headers = dict(scope["headers"])
            if headers.get(b"authorization") != f"Bearer {token}".encode():
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        config = uvicorn.Config(guarded, log_level="error", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run([sock])


if __name__ == "__main__":
    main(*sys.argv[1:])
