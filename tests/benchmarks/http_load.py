"""A load generator for HTTP: raw sockets on the loop, kept alive, every answer checked."""

from __future__ import annotations

import asyncio
import json
import re
import time

import attrs

from tests.benchmarks.speech import SPEECHES, TOKENS, Speech

__all__ = ["Client", "Stream", "Target", "calls_per_second", "check_stream", "wait_until_up"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@attrs.frozen
class Target:
    """Something that answers in an API: of ``SPEECHES``, by its name."""

    name: str
    port: int
    token: str = attrs.field(repr=False)
    model: str = "bench"
    api: str = "chat"

    @property
    def speech(self) -> Speech:
        """The API."""
        return SPEECHES[self.api]

    def request(self, *, chunks: int | None = None) -> bytes:
        """Return a request; with ``chunks``, of a stream of that many."""
        speech = self.speech
        body: dict[str, object] = {"model": self.model, **speech.ask()}
        if chunks is not None:
            body |= {"stream": True, speech.limit: chunks}
        elif self.api == "messages":
            body[speech.limit] = 8  # which that API wants
        data = json.dumps(body).encode()
        head = (
            f"POST /v1{speech.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def health(self, path: str) -> bytes:
        """Return a request for a page."""
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\n\r\n"
        ).encode()


@attrs.frozen
class Stream:
    """A stream that was read to its end: seconds to the first chunk, to the end, and all of it."""

    first: float
    whole: float
    body: bytes


class Client(asyncio.Protocol):
    """One connection, kept alive. One request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._data = bytearray()
        self._head_end = 0
        self._size: int | None = None
        self._chunked = False
        self._first: float | None = None
        self._began = 0.0
        self._done: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, target: Target) -> Client:
        """Connect."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", target.port)
        return client

    async def ask(self, request: bytes, limit: float = 120.0) -> Stream:
        """Send a request and read its answer. Raises: AssertionError, if it is not a 200."""
        self._forget()
        self._done = asyncio.get_running_loop().create_future()
        self._began = time.perf_counter()
        self.transport.write(request)
        async with asyncio.timeout(limit):
            await self._done
        whole = time.perf_counter() - self._began
        assert self._data.startswith(b"HTTP/1.1 200"), bytes(self._data[:1000])
        first = whole if self._first is None else self._first
        return Stream(first, whole, bytes(self._data[self._head_end :]))

    def _forget(self) -> None:
        self._data.clear()
        self._head_end, self._size, self._chunked, self._first = 0, None, False, None

    def close(self) -> None:
        """Close at once."""
        self.transport.abort()

    def send(self, request: bytes) -> None:
        """Send a request whose answer nobody waits for."""
        self._forget()
        self.transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("closed"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._done is None:
            return
        if not self._head_end and not self._read_head():
            return
        if self._first is None and self._data.find(b"data: ", self._head_end) >= 0:
            self._first = time.perf_counter() - self._began
        if self._is_whole() and not self._done.done():
            self._done.set_result(None)

    def _read_head(self) -> bool:
        self._head_end = self._data.find(b"\r\n\r\n") + 4
        if self._head_end < 4:
            self._head_end = 0
            return False
        length = _LENGTH.search(self._data, 0, self._head_end)
        self._size = int(length[1]) if length else None
        self._chunked = length is None
        return True

    def _is_whole(self) -> bool:
        if self._chunked:
            return self._data.endswith(b"\r\n0\r\n\r\n")
        return self._size is not None and len(self._data) >= self._head_end + self._size


async def calls_per_second(target: Target, clients: int, seconds: float) -> float:
    """Let this many clients ask one after another; return calls answered a second."""
    request = target.request()
    open_ = [await Client.open(target) for _ in range(clients)]
    answered = 0
    began = time.perf_counter()

    async def ask(client: Client) -> None:
        nonlocal answered
        while time.perf_counter() - began < seconds:
            answer = await client.ask(request)
            assert answer.body.endswith(b"}"), answer.body
            answered += 1

    await asyncio.gather(*map(ask, open_))
    took = time.perf_counter() - began
    for client in open_:
        client.close()
    return answered / took


def check_stream(stream: Stream, chunks: int, api: str = "chat") -> int:
    """Return the events of a stream. Raises: AssertionError, if it is not whole.

    Its texts, put together, have to be what the upstream wrote; a proxy may write the
    events anew, and add some.
    """
    speech = SPEECHES[api]
    events = [event for event in _unchunk(stream.body).split(b"\n\n") if b"data: " in event]
    if api != "chat" and events[-1].endswith(b"[DONE]"):
        events.pop()  # some end streams of every API with it
    assert speech.ends in events[-1], events[-3:]
    data = [event.partition(b"data: ")[2] for event in events]
    text = "".join(speech.text(json.loads(one)) for one in data if one != b"[DONE]")
    expected = "".join(TOKENS[number % len(TOKENS)] for number in range(chunks))
    assert text == expected, f"{len(text)} characters came, {len(expected)} were sent"
    return len(events)


def _unchunk(body: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


async def wait_until_up(target: Target, path: str, limit: float = 120.0) -> float:
    """Return ``time.monotonic`` at which a page was answered with 200."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            client = await Client.open(target)
            await client.ask(target.health(path), 5.0)
        except (OSError, AssertionError, TimeoutError):
            await asyncio.sleep(0.01)
        else:
            client.close()
            return time.monotonic()
    raise TimeoutError(f"{target} is not up after {limit:g} s")
