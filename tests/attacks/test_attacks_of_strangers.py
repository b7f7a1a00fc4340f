"""Who has neither secret nor token: heads without an end, early messages, garbage."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.attacks.calls import send_much
from tests.attacks.lab import MIB
from tests.plugins.mesh.wire import UPGRADE, Wire

if TYPE_CHECKING:
    from tests.attacks.lab import Lab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

STRANGER = 256 * 1024
"""Bytes of resident memory that a plain connection of a stranger may cost."""

# --- h3

GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
ENDLESS = {
    "many headers": (GET, b"".join(b"x-%06d: v\r\n" % number for number in range(80_000))),
    "one header": (GET + b"x: ", bytes(MIB).replace(b"\0", b"a")),
    "a path": (b"GET /", bytes(MIB).replace(b"\0", b"a")),
    "a trailer": (CHUNKED + b"0\r\nx: ", bytes(MIB).replace(b"\0", b"a")),
    "a body": (POST + b"content-length: 99999999999\r\n\r\n", bytes(MIB)),
    "chunks of a byte": (CHUNKED, b"1\r\na\r\n" * 100_000),
}


async def test_requests_without_an_end_and_without_a_token(lab: Lab) -> None:
    port = lab.http["hub"].port
    async with lab.attacked(counted={"hub": ("large_head", "no_token")}):
        for what, (first, unit) in ENDLESS.items():
            sent, _ = await run_sync(send_much, port, first, unit, 150 * MIB)
            assert sent < 32 * MIB, f"{what}: {sent // MIB} MiB were taken"


# --- h9

CROWD = 150
EARLY = 20


async def test_messages_that_come_with_the_request(lab: Lab) -> None:
    data = UPGRADE + Wire.frame(b"y" * 1000 * 1024) * EARLY
    async with lab.attacked(counted={"hub": ("too_large",)}, most=CROWD * STRANGER):
        taken = await run_sync(push_from_many, lab.mesh_port, data)
        assert taken < CROWD * 4 * MIB  # what the system's own buffers took is among it


def push_from_many(port: int, data: bytes) -> int:
    """Send the same on many connections, for six seconds; return how many bytes were taken."""
    streams = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(CROWD)]
    taken, whole = [0] * CROWD, memoryview(data)
    ends = time.monotonic() + 6
    try:
        for stream in streams:
            stream.setblocking(False)
        while time.monotonic() < ends:
            for number, stream in enumerate(streams):
                with suppress(OSError):  # it is full, or closed
                    taken[number] += stream.send(whole[taken[number] : taken[number] + MIB])
            time.sleep(0.02)  # for the hub to read
    finally:
        for stream in streams:
            stream.close()
    return sum(taken)


# --- h17

REQUESTS = 1000
LINES = 20
"""Lines of the log that thousands of refused requests may take: one a minute for each reason."""


async def test_garbage_and_upgrades_without_a_token(lab: Lab) -> None:
    port, hub = lab.http["hub"].port, lab.nodes["hub"]
    asked = {
        b"GET / HTTP/1.1\r\nhost: x.example\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"\x00garbage\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer no\r\n\r\n",
    }
    reasons = ("bad_request", "host_not_allowed", "wrong_token")
    async with lab.attacked(counted={"hub": reasons}):
        before = hub.log.count("\n")
        for request in asked:
            await run_sync(send_often, port, request)
        assert hub.log.count("\n") - before < LINES
        counts = (await lab.status("hub"))["http"]["refused"]
        assert sum(counts.values()) >= len(asked) * REQUESTS
        await anyio.sleep(1)


def send_often(port: int, request: bytes) -> None:
    """Send a request on a thousand connections, one after the other."""
    for _ in range(REQUESTS):
        with socket.create_connection(("127.0.0.1", port), 5) as stream:
            stream.sendall(request)
            stream.recv(500)
