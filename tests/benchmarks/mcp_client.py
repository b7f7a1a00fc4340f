"""A client of MCP that takes as little time as it can: bytes on one connection, kept alive."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["McpClient"]

_VERSION: Final = "2025-06-18"
_SESSION: Final = re.compile(rb"mcp-session-id: *([^\r\n]+)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class McpClient:
    """One session of the version 2025-06-18. One request at a time."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._path, self._headers = parts.path, dict(headers)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._number = 0

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str]) -> McpClient:
        """Connect, and open a session."""
        client = cls(url, headers)
        await client._connect()
        about = {"name": "bench", "version": "1"}
        params = {"protocolVersion": _VERSION, "capabilities": {}, "clientInfo": about}
        head, _ = await client._ask(client._request("initialize", params))
        session = _SESSION.search(head)
        if session is not None:
            client._headers["mcp-session-id"] = session[1].decode()
        client._headers["mcp-protocol-version"] = _VERSION
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await client._ask(client._post(done))
        return client

    def close(self) -> None:
        """Close the connection."""
        self._writer.transport.abort()

    def calls(self, tool: str, arguments: Mapping[str, Any]) -> Callable[[], Awaitable[None]]:
        """Return what calls a tool, and checks that its answer has the arguments in it."""
        wanted = next(iter(arguments.values())).encode()

        async def call() -> None:
            params = {"name": tool, "arguments": arguments}
            _, body = await self._ask(self._request("tools/call", params))
            assert wanted in body, body[:1000]
            assert b'"isError":true' not in body.replace(b" ", b""), body[:1000]

        return call

    async def list_tools(self) -> list[str]:
        """Return the names of the tools."""
        _, body = await self._ask(self._request("tools/list", {}))
        return re.findall(r'"name": ?"([^"]+)"', body.decode())

    async def until_listed(self, *tools: str) -> None:
        """Wait until tools are listed, which a server that starts may not be."""
        async with asyncio.timeout(60):
            while not set(tools) <= set(await self.list_tools()):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.1)

    async def _connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            self._host, self._port, limit=16 * 1024**2
        )

    def _request(self, method: str, params: Mapping[str, Any]) -> bytes:
        self._number += 1
        return self._post(
            {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        )

    def _post(self, message: Mapping[str, Any]) -> bytes:
        body = json.dumps(message).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
            f"{more}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request; return the head of its answer, and all of the body."""
        if self._reader.at_eof():  # some servers close a connection that idles for 5 s
            self.close()
            await self._connect()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 20"), head + await self._reader.read(1000)
        length = _LENGTH.search(head)
        if length is not None:
            return head, await self._reader.readexactly(int(length[1]))
        if b"chunked" not in head:
            return head, b""
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return head, body
