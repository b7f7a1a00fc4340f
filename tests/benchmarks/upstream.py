"""A model server that does nothing but answer, as fast as Python can: prebuilt events.

``max_tokens`` in a request says how many chunks a stream has. The texts repeat after 97
chunks and no earlier, since LiteLLM takes a stream of equal chunks for a model gone astray.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Upstream", "events_of"]

TOKENS = [f" tok{number:02}" for number in range(97)]
_ID = {"id": "chatcmpl-bench", "created": 1_790_000_000, "model": "bench"}
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb'"max_tokens": *(\d+)')
_STREAM = re.compile(rb'"stream": *true')
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = {**_ID, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_ROLE = _piece(_event({"role": "assistant", "content": ""}))
_WORDS = [_piece(_event({"content": token})) for token in TOKENS]
_END = _piece(_event({}, "stop")) + _piece(b"data: [DONE]\n\n") + b"0\r\n\r\n"
_MESSAGE = {"role": "assistant", "content": "".join(TOKENS[:8])}
_WHOLE = json.dumps(
    {
        **_ID,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17},
    }
).encode()
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    + str(len(_WHOLE)).encode()
    + b"\r\n\r\n"
    + _WHOLE
)


def events_of(chunks: int) -> int:
    """Return how many events a stream of this many chunks has, ``[DONE]`` among them."""
    return chunks + 3


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
        if b"/chat/completions " not in request[:200]:
            self.transport.write(_NOTHING)
            return
        self.busy = True
        chunks = _CHUNKS.search(request)
        self.written, self._left = 0, int(chunks[1]) if chunks else 8
        if _STREAM.search(request) is None:
            self._later(self._think, self._write_whole)
            self._under_way(self)
            return
        self.transport.write(_HEAD + _ROLE)
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
            self.transport.write(_ANSWER)

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
            self.transport.write(_END)
            return
        self._left -= 1
        self.transport.write(_WORDS[self.written % len(_WORDS)])
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
