"""The asking side of one request: candidates in turn, and the answer on its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.responses import Response

from clawmatrix_core.errors import ExchangeError, ExchangeFailure
from clawmatrix_model_proxy.errors import ApiError, from_exchange
from clawmatrix_model_proxy.serve import collect
from clawmatrix_model_proxy.sse import WholeEvents
from clawmatrix_model_proxy.wire import REQUEST, Head, Opening, read_head, safe_header

if TYPE_CHECKING:
    from anyio import CancelScope
    from starlette.types import Receive, Scope, Send

    from clawmatrix_core.exchange import Exchange
    from clawmatrix_core.frames import NodeId
    from clawmatrix_core.node import Node
    from clawmatrix_model_proxy.catalog import Choice

__all__ = ["ErrorAnswer", "ProxiedAnswer"]

RawHeaders = list[tuple[bytes, bytes]]


class ErrorAnswer(Response):
    """An error in the API's shape."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.body(), error.status, media_type="application/json")


class ProxiedAnswer(Response):
    """Asks the nodes of a choice in turn and passes on what the first one answers.

    Nothing goes to the client before the first byte of an answer is here, so that every
    failure up to then is an HTTP error; one after it is an error event that ends the stream.
    A client that leaves ends the work at the far side.
    """

    def __init__(
        self,
        node: Node,
        choice: Choice,
        opening: Opening,
        body: bytes,
        *,
        began: float,
        max_answer: int,
    ) -> None:
        """Make an answer; ``began`` is the clock's time at which the request came."""
        self.background = None
        self._node = node
        self._choice = choice
        self._opening = opening
        self._request = body
        self._began = began
        self._max_answer = max_answer
        self._started = False
        self._attempt = 0
        self._asked: NodeId = choice.nodes[0]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, receive, tasks.cancel_scope)
            await self._answer(send)
            tasks.cancel_scope.cancel()

    async def _answer(self, send: Send) -> None:
        for attempt, node in enumerate(self._choice.nodes, 1):
            self._attempt, self._asked = attempt, node
            try:
                await self._ask(node, send)
                return
            except ExchangeError as failed:
                error = failed
            if self._started or error.may_have_begun:
                break
        await self._fail(from_exchange(error, self._asked), send)

    async def _ask(self, to: NodeId, send: Send) -> None:
        async with self._node.exchange(to, REQUEST, self._opening) as exchange:
            await exchange.finish(self._request)
            head = read_head(await exchange.receive())
            if head.streams:
                await self._stream(exchange, head, send)
            else:
                await self._whole(exchange, head, send)

    async def _whole(self, exchange: Exchange, head: Head, send: Send) -> None:
        headers = self._head_headers(head)
        body = await collect(exchange, self._max_answer, "answer_too_large", "max_answer")
        headers.append((b"content-length", b"%d" % len(body)))
        await self._start(head.status, headers, send)
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, exchange: Exchange, head: Head, send: Send) -> None:
        headers = self._head_headers(head)
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        events = WholeEvents()
        async for data in exchange:
            if not isinstance(data, bytes):
                raise ExchangeFailure("bad_answer", "JSON in place of bytes")
            if whole := events.feed(data):
                if not self._started:
                    await self._start(head.status, headers, send)
                await send({"type": "http.response.body", "body": whole, "more_body": True})
        if not self._started:
            await self._start(head.status, headers, send)
        await send({"type": "http.response.body", "body": events.rest()})

    async def _start(self, status: int, headers: RawHeaders, send: Send) -> None:
        self._started = True
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def _fail(self, error: ApiError, send: Send) -> None:
        if self._started:
            # What was kept back of an event that did not end is dropped with it.
            await send({"type": "http.response.body", "body": error.event()})
            return
        body = error.body()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *self._who(),
        ]
        await self._start(error.status, headers, send)
        await send({"type": "http.response.body", "body": body})

    def _head_headers(self, head: Head) -> RawHeaders:
        elapsed = (self._node.clock.now() - self._began) * 1000
        overhead = max(0.0, elapsed - head.upstream_ms)
        passed = ((k, v) for k, v in head.headers.items() if safe_header(k, v))
        return [
            (b"content-type", _latin(head.content_type)),
            *self._who(),
            (b"x-clawmatrix-upstream-model", _latin(head.upstream_model)),
            (b"x-clawmatrix-overhead-ms", b"%.2f" % overhead),
            *((name.encode(), value.encode()) for name, value in passed),
        ]

    def _who(self) -> RawHeaders:
        return [
            (b"x-clawmatrix-node", self._asked.encode()),
            (b"x-clawmatrix-attempts", b"%d" % self._attempt),
        ]


async def _watch(receive: Receive, scope: CancelScope) -> None:
    """Cancel the scope when the client is gone, or has its answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _latin(text: str) -> bytes:
    """Return a peer's text as the value of a header: on one line, whatever it holds."""
    plain = "".join(c if c.isprintable() else "?" for c in text[:200])
    return plain.encode("latin-1", errors="replace")
