"""Upstreams: the HTTP servers that answer, and what can go wrong with them."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec
from anyio import CancelScope, current_time

from clawmatrix_core import ExchangeFailure
from clawmatrix_model_proxy.http.client import HttpClient, TooLate
from clawmatrix_model_proxy.http.dialler import HttpAddress, HttpDialler
from clawmatrix_model_proxy.lacks import Lacks
from clawmatrix_model_proxy.serving.key_verdict import KeyVerdict, key_verdict
from clawmatrix_model_proxy.serving.keys import ROTATED, KeyRing
from clawmatrix_model_proxy.serving.patience import BodyPatience, StreamPatience
from clawmatrix_model_proxy.streams.formats import SIDE_CALLS
from clawmatrix_model_proxy.wire import API_HEADERS, media_type, passed_headers, trace_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
    from clawmatrix_model_proxy.config import Budgets
    from clawmatrix_model_proxy.http.connection import HttpResponse
    from clawmatrix_model_proxy.serving.byte_queue import ByteQueue
    from clawmatrix_model_proxy.serving.patience import Patience
    from clawmatrix_model_proxy.streams.answer_stream import AnswerStream
    from clawmatrix_model_proxy.wire import Opening

__all__ = ["UpstreamResponse", "Upstreams"]

_SLACK = 0.5
"""Seconds by which the limit of silence may be overrun, so that it is not set at each piece."""


class Upstreams:
    """The connections to all upstreams, kept and used again while this is entered.

    Attributes:
        lacks: what the upstreams lack.
    """

    def __init__(
        self, budgets: Budgets, now: Callable[[], float], proxy_from_env: bool = False
    ) -> None:
        """Make the connections; ``now`` is the clock, in seconds."""
        self.lacks: Lacks[ModelUpstream] = Lacks(now)
        self._proxy_from_env = proxy_from_env
        self._places: dict[str, _Place] = {}
        self._rings: dict[tuple[ModelUpstream, bool], KeyRing] = {}
        self._budgets = budgets

    async def __aenter__(self) -> Self:
        # Reading the certificates takes long enough to be felt by everything else.
        self._dialler = await anyio.to_thread.run_sync(self._make_dialler)
        self._client = HttpClient(self._dialler, write=self._budgets.idle)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    def _make_dialler(self) -> HttpDialler:
        return HttpDialler(self._budgets.connect, proxy_from_env=self._proxy_from_env)

    def use(self, budgets: Budgets) -> None:
        """Set the time limits of requests from now on, and forget what is known of keys."""
        self._budgets = budgets
        self._dialler.limit, self._client.write = budgets.connect, budgets.idle
        self._rings.clear()

    async def run(self) -> None:
        """Close connections that nobody used for a while, until cancelled."""
        await self._client.run()

    async def ask(
        self,
        model: ModelUpstream,
        api: ModelApi,
        path: str,
        body: bytes,
        opening: Opening,
        method: str = "POST",
    ) -> UpstreamResponse:
        """Send a request to a path of the model's upstream; leaving the answer closes it.

        ``api`` is the one that the upstream speaks. ``method`` is another one for a path that is
        asked once only, which is not remembered.

        Raises: ExchangeFailure ``upstream_unreachable``, ``upstream_timeout`` or
            ``upstream_broke``, also while its body is read.
        """
        began = current_time()
        budgets = self._budgets.of(model)
        until = began + budgets.first_byte
        try:
            answer = await self._send(model, api, path, body, opening, began, method, until)
        except TooLate:
            raise _silent(budgets.first_byte) from None
        return UpstreamResponse(answer, budgets, began)

    async def _send(
        self,
        model: ModelUpstream,
        api: ModelApi,
        path: str,
        body: bytes,
        opening: Opening,
        now: float,
        method: str,
        until: float,
    ) -> HttpResponse:
        """Send a request with one key after another, until one is taken or none is left.

        ``now`` and ``until`` are times of the loop. Raises: TooLate; ExchangeFailure.
        """
        ring = self._ring(model, opening.format)
        left = ring.order(now)
        while True:
            number = left.pop(0) if left else None
            key = None if number is None else ring.reveal(number)
            place, request = self._request(model, api, path, body, opening, key, method)
            answer = await self._client.ask(place.address, request, until)
            if number is None:
                return answer
            if 200 <= answer.status < 300:
                ring.worked(number)
                return answer
            verdict = await self._verdict(answer, api, until)
            if verdict.status not in ROTATED:
                ring.worked(number)
                return answer
            ring.refused(number, current_time(), verdict.status, verdict.wait)
            if not left:
                return answer
            await answer.close()

    async def _verdict(self, answer: HttpResponse, api: ModelApi, until: float) -> KeyVerdict:
        with CancelScope(deadline=until):
            return await key_verdict(answer, api.codec, time.time())
        await answer.close()
        raise TooLate

    def _ring(self, model: ModelUpstream, format: str) -> KeyRing:
        # A key that may not be used for embeddings is right for answers.
        which = model, format in SIDE_CALLS
        ring = self._rings.get(which)
        if ring is None:
            ring = self._rings[which] = KeyRing(model.keys)
        return ring

    def _request(
        self,
        model: ModelUpstream,
        api: ModelApi,
        path: str,
        body: bytes,
        opening: Opening,
        key: str | None,
        method: str,
    ) -> tuple[_Place, bytes]:
        url = f"{model.base_url.rstrip('/')}/{path}"
        place = self._places.get(url)
        if place is None:
            place = self._place(url, method)
            if opening.stored is None:
                self._places[url] = place
        headers = {"accept": _on_one_line(opening.accept or "*/*"), **api.headers}
        if "anthropic-version" in api.headers:
            headers |= {k: _on_one_line(v) for k, v in opening.headers.items() if k in API_HEADERS}
        headers |= trace_headers(opening.headers)
        if key is not None:
            name, value = api.key_header
            headers[name] = value + key
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"{place.head}{''.join(lines)}content-length: {len(body)}\r\n\r\n"
        return place, head.encode() + body

    def _place(self, url: str, method: str) -> _Place:
        address = HttpAddress.parse(url)
        target, more = self._dialler.target(address)
        head = (
            f"{method} {target} HTTP/1.1\r\nhost: {address.authority}\r\n{more}"
            "accept-encoding: identity\r\ncontent-type: application/json\r\n"
            "user-agent: clawmatrix\r\n"
        )
        return _Place(address, head)


class _Place(msgspec.Struct, frozen=True):
    """Where a request goes, and the part of its head that is always the same."""

    address: HttpAddress
    head: str


def _on_one_line(value: str) -> str:
    """Return a header's value that another node wrote. Raises: ExchangeFailure."""
    if not (value.isascii() and value.isprintable()):
        raise ExchangeFailure("bad_request", "a malformed header", may_have_begun=False)
    return value


class UpstreamResponse:
    """An upstream's answer, its body not yet read; leaving it closes it.

    Attributes:
        status: its HTTP status.
        content_type: its media type.
        headers: those that clients act on.
        framed: true where the end of the body is marked, so that a cut shows.
    """

    def __init__(self, answer: HttpResponse, budgets: Budgets, began: float) -> None:
        self._answer = answer
        self._budgets = budgets
        self._began = began
        headers = answer.headers
        self.status, self.framed = answer.status, answer.framed
        self.content_type = media_type(headers.get("content-type", "application/json"))
        self.headers = passed_headers(headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._answer.close()

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the request was sent."""
        return round((current_time() - self._began) * 1000, 2)

    def patience(self, stream: AnswerStream) -> StreamPatience:
        """Return the limit of silence, which depends on the events that the stream has read."""
        return StreamPatience(self._budgets, self._began, stream)

    async def peek(self, limit: int) -> bytes | None:
        """Return the whole body, which can still be read; None where it is over the limit.

        Raises: ExchangeFailure.
        """
        with CancelScope(deadline=self._began + self._budgets.first_byte) as scope:
            body = await self._answer.peek(limit)
        if scope.cancelled_caught:
            raise _silent(self._budgets.first_byte)
        return body if len(body) <= limit else None

    async def pump(self, queue: ByteQueue, patience: Patience) -> None:
        """Put the body into a queue as it comes, and close the queue, with the error if any."""
        try:
            await self._each(queue.put, queue, patience)
        except ExchangeFailure as failure:
            queue.close(failure)
        else:
            queue.close()

    def whole(self, limit: int) -> bytes | None:
        """Return the body where all of it came with the head, and is within the limit."""
        return self._answer.whole(limit)

    async def read(self, limit: int, taken: Callable[[int], None] = lambda size: None) -> bytes:
        """Return the whole body; ``taken`` is told of bytes before they are kept.

        Raises: ExchangeFailure, ``answer_too_large`` over the limit.
        """
        if (whole := self.whole(limit)) is not None:
            return whole
        read = bytearray()

        def take(piece: bytes) -> None:
            taken(len(piece))
            read.extend(piece)
            if len(read) > limit:
                raise _TooLarge

        try:
            await self._each(take, None, BodyPatience(self._budgets, self._began))
        except _TooLarge:
            message = f"the upstream's answer has more than {limit:d} bytes (max_answer)"
            raise ExchangeFailure("answer_too_large", message) from None
        return bytes(read)

    async def _each(
        self, take: Callable[[bytes], None], queue: ByteQueue | None, patience: Patience
    ) -> None:
        slack = min(_SLACK, self._budgets.idle / 4)
        due = patience.soon()
        while True:
            with CancelScope(deadline=due + slack) as scope:
                await self._pieces(take, queue, patience, scope, slack)
                return
            if queue is not None and not queue.empty:
                patience.excuse()  # the client is slow, so that nobody has looked at it yet
            due, limit = patience.until()
            if due <= current_time():
                raise _silent(limit)

    async def _pieces(
        self,
        take: Callable[[bytes], None],
        queue: ByteQueue | None,
        patience: Patience,
        scope: CancelScope,
        slack: float,
    ) -> None:
        """Take the pieces of the body. The limit is set anew for one in a while of them."""
        due = -math.inf
        receive = self._answer.receive
        while piece := await receive():
            take(piece)
            if queue is not None and queue.full:
                scope.deadline = math.inf  # now the client is slow, not the upstream
                await queue.wait_room()
                patience.excuse()
                due = -math.inf
            now = patience.arrived = current_time()
            if now >= due:
                due = now + slack
                scope.deadline = max(patience.soon(), now) + slack


class _TooLarge(Exception):
    """A body went over its limit."""


def _silent(seconds: float) -> ExchangeFailure:
    return ExchangeFailure("upstream_timeout", f"the upstream was silent for {seconds:g} s")
