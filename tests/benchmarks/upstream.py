"""A model server that does nothing but answer, as fast as Python can: prebuilt events.

It speaks all three APIs; ``max_tokens`` in a request (or what that API calls it) says how many
chunks a stream has.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from typing import TYPE_CHECKING

import attrs
import uvloop

from tests.benchmarks.speech import SPEECHES, TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.speech import Speech

__all__ = ["Upstream"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb'"max_(?:completion_|output_)?tokens": *(\d+)')
_STREAM = re.compile(rb'"stream": *true')
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


@attrs.frozen
class _Script:
    """A speech as it stands on the wire: pieces of a chunked body, and a whole answer."""

    speech: Speech
    begin: bytes
    words: list[bytes]
    whole: bytes

    @classmethod
    def of(cls, speech: Speech) -> _Script:
        words = [_piece(word) for word in speech.words]
        return cls(speech, _HEAD + _piece(speech.begin), words, _json(speech.whole))

    def end(self, words: int) -> bytes:
        """Return what follows this many words."""
        said = "".join(TOKENS[number % len(TOKENS)] for number in range(words))
        return _piece(self.speech.end(said)) + b"0\r\n\r\n"


def _json(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_SCRIPTS = {f"{speech.path} ".encode(): _Script.of(speech) for speech in SPEECHES.values()}


_PAGES = {
    b"GET /health ": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"GET /v1/models ": _json(b'{"object":"list","data":[{"id":"bench","object":"model"}]}'),
}
"""What others look at before they route requests here."""
_WELL_BEGUN = 50
_NOTHING = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection.

    Attributes:
        busy: True from a request until its answer is written.
        written: chunks that went out in the stream under way.
        lost: set when the client is gone.
        lost_at: ``time.perf_counter`` at which that was noticed.
    """

    def __init__(
        self,
        pace: float = 0.0,
        think: float = 0.0,
        under_way: Callable[[Upstream], None] = lambda _: None,
    ) -> None:
        """Make one.

        Args:
            pace, think: seconds to wait between two chunks, and before a whole answer.
            under_way: called when a whole answer was asked for, or a stream has begun well.
        """
        self.written = 0
        self.busy = False
        self.lost_at = 0.0
        self.lost = asyncio.Event()
        self.transport: asyncio.Transport
        self._pace = pace
        self._think = think
        self._under_way = under_way
        self._buffer = b""
        self._left = 0
        self._paused = False
        self._script: _Script

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_at = time.perf_counter()
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        size = end + (int(length[1]) if length else 0)
        if len(self._buffer) < size:
            return
        request, self._buffer = self._buffer[:size], self._buffer[size:]
        self._answer(request)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._later(self._pace, self._write)

    def _answer(self, request: bytes) -> None:
        line = request[: request.find(b"\r\n")]
        found = [script for path, script in _SCRIPTS.items() if path in line]
        if not found:
            pages = [page for path, page in _PAGES.items() if line.startswith(path)]
            self.transport.write(pages[0] if pages else _NOTHING)
            return
        self._script = found[0]
        self.busy = True
        chunks = _CHUNKS.search(request)
        self.written, self._left = 0, int(chunks[1]) if chunks else 8
        if _STREAM.search(request) is None:
            self._later(self._think, self._write_whole)
            self._under_way(self)
            return
        self.transport.write(self._script.begin)
        self._later(self._pace, self._write)

    def finish(self) -> None:
        """End the answer under way."""
        if self.written:
            self._left = 0
        else:
            self._write_whole()

    def _write_whole(self) -> None:
        if self.busy:
            self.busy = False
            self.transport.write(self._script.whole)

    def _later(self, wait: float, call: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if wait:
            loop.call_later(wait, call)
        else:
            loop.call_soon(call)

    def _write(self) -> None:
        """Write one chunk, as one piece on the wire, and come back for the next."""
        if self._paused or self.lost.is_set():
            return
        if self._left == 0:
            self.busy = False
            self.transport.write(self._script.end(self.written))
            return
        self._left -= 1
        words = self._script.words
        self.transport.write(words[self.written % len(words)])
        self.written += 1
        if self.written == _WELL_BEGUN:
            self._under_way(self)
        self._later(self._pace, self._write)


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", arguments.port)
    print(f"listening http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
