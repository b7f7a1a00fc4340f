"""MCP clients that mean harm, or are broken, while a friend calls a tool of the same node."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

from tests.benchmarks.mcp_client import McpClient
from tests.benchmarks.mesh import TOKEN
from tests.peers_mcp.peers import ONE_NODE, PEERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.peers_mcp.peers import Peer

    Attack = Callable[["Attacker"], Awaitable[None]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

ECHO: Final = "one__behind_echo"
_HEAD: Final = (
    "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
    "Authorization: Bearer {token}\r\n"
)
_ABOUT: Final = {"name": "attacker", "version": "1"}
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": _ABOUT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
_LIMIT: Final = 20.0


def rpc(method: str, params: dict[str, Any]) -> bytes:
    """Return a request."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


BEGIN: Final = rpc(
    "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": _ABOUT}
)


class Attacker:
    """Opens connections, and keeps all of them."""

    def __init__(self, peer: Peer) -> None:
        self.port = int(peer.url.split(":")[2].split("/")[0])
        self.open: list[asyncio.StreamWriter] = []

    async def send(self, data: bytes) -> asyncio.StreamReader:
        """Send bytes on a connection of their own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.open.append(writer)
        writer.write(data)
        return reader

    def post(self, body: bytes, more: str = "", size: int | None = None, **other: str) -> bytes:
        """Return a request of HTTP; ``size`` is what it says of its body."""
        host = other.get("host", f"127.0.0.1:{self.port}")
        head = _HEAD.format(token=other.get("token", TOKEN))
        length = len(body) if size is None else size
        lines = f"POST /mcp HTTP/1.1\r\nHost: {host}\r\n{head}{more}Content-Length: {length}\r\n"
        return lines.encode() + b"\r\n" + body

    async def status(self, data: bytes) -> int:
        """Send a request, and return the status of its answer."""
        reader = await self.send(data)
        async with asyncio.timeout(_LIMIT):
            return int((await reader.readline()).split()[1])

    async def session(self) -> str:
        """Open a session."""
        reader = await self.send(self.post(BEGIN))
        async with asyncio.timeout(_LIMIT):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        return head.partition("mcp-session-id: ")[2].partition("\r\n")[0]

    def modern(self, method: str, params: dict[str, Any], more: str = "") -> bytes:
        """Return a request of 2026-07-28."""
        headers = f"Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{more}"
        return self.post(rpc(method, {**params, "_meta": _META}), headers)

    def close(self) -> None:
        """Close all connections at once."""
        for writer in self.open:
            writer.transport.abort()


async def thousand_sessions(attacker: Attacker) -> None:
    """Open sessions, each of which listens."""
    for _ in range(1000):
        session = await attacker.session()
        head = _HEAD.format(token=TOKEN)
        lines = f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{attacker.port}\r\n{head}"
        await attacker.send(f"{lines}mcp-session-id: {session}\r\n\r\n".encode())


async def thousand_subscriptions(attacker: Attacker) -> None:
    """Listen for changes as clients of 2026-07-28 do."""
    asked = attacker.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    assert {await attacker.status(asked) for _ in range(1000)} <= {200, 503}


async def answers_that_are_not_read(attacker: Attacker) -> None:
    """Ask for large results, and read nothing."""
    params = {"name": ECHO, "arguments": {"value": "x" * 500_000}}
    asked = attacker.modern("tools/call", params, f"Mcp-Name: {ECHO}\r\n")
    for _ in range(100):
        reader = await attacker.send(asked)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(3)


async def large_bodies(attacker: Attacker) -> None:
    """Send 100 MB, and say so, or not."""
    assert await attacker.status(attacker.post(b"", size=100 * 1024**2)) == 413
    head = _HEAD.format(token=TOKEN)
    lines = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{attacker.port}\r\n{head}"
    reader = await attacker.send(f"{lines}Transfer-Encoding: chunked\r\n\r\n".encode())
    writer = attacker.open[-1]
    answer = asyncio.ensure_future(reader.readline())
    sent = 0
    while not answer.done() and sent < 100 * 1024**2:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        sent += 65536
        with suppress(ConnectionError):  # the answer says whether it was refused
            await writer.drain()
        await asyncio.sleep(0)
    assert sent < 50 * 1024**2
    with suppress(ConnectionResetError):  # whoever goes on sending may miss the answer
        assert (await answer).split()[1] == b"413"


async def lies_about_lengths(attacker: Attacker) -> None:
    """Say that more comes, or less, or both."""
    for _ in range(300):
        await attacker.send(attacker.post(BEGIN, size=5000))
    assert await attacker.status(attacker.post(BEGIN, size=20)) == 400
    assert await attacker.status(attacker.post(BEGIN, size=-1)) == 400
    assert await attacker.status(attacker.post(BEGIN, "Content-Length: 5\r\n")) == 400
    assert await attacker.status(attacker.post(BEGIN, "Transfer-Encoding: chunked\r\n")) == 400


async def bad_json(attacker: Attacker) -> None:
    """Send what is nested deep, what has many values, and what is no JSON."""
    head = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":'
    bodies = {
        b"[" * 100_000: 400,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000: 400,
        head + b"[" * 150 + b"]" * 150 + b"}}": 400,
        head + b"[" + b"[]," * 1_500_000 + b"1]}}": 413,
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}': 400,
        b"\xff\xfe": 400,
        b"[]": 400,
    }
    for body, status in bodies.items():
        for more in ("", "Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n"):
            found = await attacker.status(attacker.post(body, more))
            assert found in (status, 413), body[:50]


async def wrong_words(attacker: Attacker) -> None:
    """Come with the wrong session, host, origin and token."""
    asked = rpc("tools/list", {})
    for session in ("nope", "x" * 8000, "\u00e9"):
        request = attacker.post(asked, f"mcp-session-id: {session}\r\n")
        assert await attacker.status(request) == 404
    assert await attacker.status(attacker.post(asked, host="evil.example")) == 403
    assert await attacker.status(attacker.post(asked, "Origin: https://evil.example\r\n")) == 403
    assert await attacker.status(attacker.post(asked, "Origin: null\r\n")) == 403
    assert await attacker.status(attacker.post(asked, token="wrong")) == 401


@asynccontextmanager
async def friend(peer: Peer) -> AsyncIterator[list[float]]:
    """Call a tool all the time, as a block; yield the seconds that calls take."""
    client = await McpClient.open(peer.url, peer.headers)
    await client.until_listed(ECHO)
    call = client.calls(ECHO, {"value": "here"})
    took: list[float] = []

    async def go_on() -> None:
        while True:
            began = time.perf_counter()
            await call()
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0.05)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on)
        yield took
        tasks.cancel_scope.cancel()
    client.close()


async def _attacked(peer: Peer, attack: Attack) -> None:
    async with friend(peer) as took:
        await asyncio.sleep(1)
        for turn in range(2):
            before, attacker = peer.process.memory()["rss"], Attacker(peer)
            try:
                await attack(attacker)
            finally:
                attacker.close()
            await asyncio.sleep(1)
            grown = peer.process.memory()["rss"] - before
            print(f"{attack.__name__}: {grown:+.0f} MB, a call took {max(took):.2f} s at most")
            if turn:  # at first it gets what it needs, and keeps that
                assert grown < 60
        count = len(took)
        await asyncio.sleep(1)
        assert len(took) > count
        assert max(took) < 3


@pytest.mark.parametrize(
    "attack",
    [
        thousand_sessions,
        thousand_subscriptions,
        large_bodies,
        lies_about_lengths,
        bad_json,
        wrong_words,
    ],
)
def test_others_are_served(tmp_path: Path, attack: Attack) -> None:
    with PEERS[ONE_NODE](tmp_path) as peer:
        asyncio.run(_attacked(peer, attack))


def test_answers_that_nobody_reads_are_bounded(tmp_path: Path) -> None:
    # The attacker has the rights of the friend, and may use up a tool's share: no friend here.
    async def attacked(peer: Peer) -> None:
        client = await McpClient.open(peer.url, peer.headers)
        await client.until_listed(ECHO)
        await _never_read(peer)
        kept = peer.process.memory()["rss"]
        await _never_read(peer)
        assert peer.process.memory()["rss"] - kept < 60
        await client.calls(ECHO, {"value": "here"})()
        client.close()

    with PEERS[ONE_NODE](tmp_path) as peer:
        asyncio.run(attacked(peer))


async def _never_read(peer: Peer) -> None:
    attacker = Attacker(peer)
    await answers_that_are_not_read(attacker)
    attacker.close()
    await asyncio.sleep(1)
