"""Upstreams: the HTTP servers that answer, and what can go wrong with them."""

from __future__ import annotations

import math
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx2
from anyio import CancelScope, current_time

from clawmatrix_core.errors import ExchangeFailure
from clawmatrix_model_proxy.faults import retry_after
from clawmatrix_model_proxy.keys import ROTATED, KeyRing
from clawmatrix_model_proxy.wire import API_HEADERS, safe_header

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Self

    from clawmatrix_model_proxy.config import Budgets, ModelConfig
    from clawmatrix_model_proxy.pipe import Pipe
    from clawmatrix_model_proxy.wire import Opening

__all__ = ["Reply", "Upstreams"]

_ANTHROPIC_VERSION = "2023-06-01"
_BEARER = ("authorization", "Bearer ")
_KEY_HEADERS = {"anthropic-messages": ("x-api-key", "")}
_KEPT = 4.0
"""Seconds an idle connection is kept; common servers close theirs after five."""
_CLOSING = 2.0
"""Seconds closing an answer may take."""
_SLACK = 0.5
"""Seconds by which the limit of silence may be overrun, so that it is not set at each piece."""


class Upstreams:
    """The connections to all upstreams, kept and used again while this is entered."""

    def __init__(self, budgets: Budgets, *, proxy_from_env: bool = False) -> None:
        self._budgets = budgets
        self._proxy_from_env = proxy_from_env
        self._urls: dict[str, httpx2.URL] = {}
        self._rings: dict[ModelConfig, KeyRing] = {}
        limits = httpx2.Timeout(None, connect=budgets.connect, write=budgets.idle)
        self._extensions = {"timeout": limits.as_dict()}

    async def __aenter__(self) -> Self:
        # Reading the certificates takes long enough to be felt by everything else.
        self._client = await anyio.to_thread.run_sync(self._make_client)
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    def _make_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            trust_env=self._proxy_from_env,
            limits=httpx2.Limits(keepalive_expiry=_KEPT),
        )

    @asynccontextmanager
    async def ask(
        self, model: ModelConfig, path: str, body: bytes, opening: Opening
    ) -> AsyncIterator[Reply]:
        """Send a request to a path of the model's upstream; leaving closes the answer.

        Raises: ExchangeFailure ``upstream_unreachable``, ``upstream_timeout`` or
            ``upstream_broke``, also out of what reads the reply.
        """
        began = current_time()
        deadline = began + self._budgets.first_byte
        with _failures(), CancelScope(deadline=deadline) as scope:
            response = await self._send(model, path, body, opening)
        if scope.cancelled_caught:
            raise _silent(self._budgets.first_byte)
        try:
            yield Reply(response, self._budgets, began)
        finally:
            with anyio.move_on_after(_CLOSING, shield=True):
                await response.aclose()

    async def _send(
        self, model: ModelConfig, path: str, body: bytes, opening: Opening
    ) -> httpx2.Response:
        """Send a request with one key after another, until one is taken or none is left."""
        ring = self._rings.setdefault(model, KeyRing(model.keys))
        left = ring.order(current_time())
        while True:
            number = left.pop(0) if left else None
            key = None if number is None else ring.reveal(number)
            request = self._request(model, path, body, opening, key)
            response = await self._client.send(request, stream=True)
            if number is None:
                return response
            if response.status_code not in ROTATED:
                ring.worked(number)
                return response
            wait = retry_after(response.headers, time.time())
            ring.refused(number, current_time(), response.status_code, wait)
            if not left:
                return response
            await response.aclose()

    def _request(
        self, model: ModelConfig, path: str, body: bytes, opening: Opening, key: str | None
    ) -> httpx2.Request:
        headers = {
            "accept": opening.accept or "*/*",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "clawmatrix",
        }
        if model.api == "anthropic-messages":
            headers["anthropic-version"] = _ANTHROPIC_VERSION
            headers |= {k: v for k, v in opening.headers.items() if k in API_HEADERS}
        if key is not None:
            name, value = _KEY_HEADERS.get(model.api, _BEARER)
            headers[name] = value + key
        place = f"{model.base_url.rstrip('/')}/{path}"
        url = self._urls.get(place)
        if url is None:
            url = self._urls[place] = httpx2.URL(place)
        # Made here and not by the client, which would merge and parse it all each time.
        return httpx2.Request(
            "POST", url, headers=headers, content=body, extensions=dict(self._extensions)
        )


class Reply:
    """An upstream's answer, its body not yet read.

    Attributes:
        status: its HTTP status.
        content_type: its media type.
        headers: those that clients act on.
        framed: true where the end of the body is marked, so that a cut shows.
    """

    def __init__(self, response: httpx2.Response, budgets: Budgets, began: float) -> None:
        self._response = response
        self._budgets = budgets
        self._began = began
        headers = response.headers
        self.status = response.status_code
        self.content_type = headers.get("content-type", "application/json")
        self.headers = {k: v for k, v in headers.items() if safe_header(k, v)}
        self.framed = "content-length" in headers or "transfer-encoding" in headers

    @property
    def streams(self) -> bool:
        """True where the body is a stream of events."""
        return self.content_type.lower().startswith("text/event-stream")

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the request was sent."""
        return round((current_time() - self._began) * 1000, 2)

    async def pump(self, pipe: Pipe) -> None:
        """Put the body into a pipe as it comes, and close the pipe, with the error if any."""
        try:
            await self._each(pipe.put, pipe)
        except ExchangeFailure as failure:
            pipe.close(failure)
        else:
            pipe.close()

    async def read(self, limit: int) -> bytes:
        """Return the whole body. Raises: ExchangeFailure, ``answer_too_large`` over the limit."""
        read = bytearray()

        def take(piece: bytes) -> None:
            read.extend(piece)
            if len(read) > limit:
                raise _TooLarge

        try:
            await self._each(take, None)
        except _TooLarge:
            message = f"the upstream's answer has more than {limit:d} bytes (max_answer)"
            raise ExchangeFailure("answer_too_large", message) from None
        return bytes(read)

    async def _each(self, take: Callable[[bytes], None], pipe: Pipe | None) -> None:
        idle = self._budgets.idle
        limit = self._budgets.first_byte
        slack = min(_SLACK, idle / 4)
        due = -math.inf
        with _failures(), CancelScope(deadline=self._began + limit) as scope:
            async with self._pieces() as pieces:
                async for piece in pieces:
                    take(piece)
                    if pipe is not None and pipe.full:
                        scope.deadline = math.inf  # now the client is slow, not the upstream
                        await pipe.wait_room()
                        due = -math.inf
                    now = current_time()
                    if now >= due:
                        limit = idle
                        scope.deadline = now + idle + slack
                        due = now + slack
        if scope.cancelled_caught:
            raise _silent(limit)

    @asynccontextmanager
    async def _pieces(self) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        encoding = self._response.headers.get("content-encoding", "identity")
        if encoding.strip().lower() in ("", "identity"):
            pieces = self._response.aiter_raw()
        else:
            pieces = self._response.aiter_bytes()  # though it was asked not to
        try:
            yield pieces
        finally:
            # The client nests generators, and only the outermost could be closed from here.
            # With the connection gone they all end from within.
            with CancelScope(shield=True), suppress(httpx2.HTTPError, httpx2.StreamError):
                await self._response.aclose()
                async for _ in pieces:
                    pass


class _TooLarge(Exception):
    """A body went over its limit."""


@contextmanager
def _failures() -> Iterator[None]:
    """Raise what the HTTP client raises as the failures that travel."""
    try:
        yield
    except httpx2.ConnectTimeout:
        message = "the upstream did not accept a connection in time"
        raise ExchangeFailure("upstream_timeout", message, may_have_begun=False) from None
    except httpx2.ConnectError as error:
        message = f"the upstream cannot be reached: {str(error) or 'connection refused'}"
        raise ExchangeFailure("upstream_unreachable", message, may_have_begun=False) from None
    except httpx2.TimeoutException:
        raise ExchangeFailure("upstream_timeout", "the upstream takes nothing in") from None
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        message = f"the upstream broke off: {str(error) or type(error).__name__}"
        raise ExchangeFailure("upstream_broke", message) from None


def _silent(seconds: float) -> ExchangeFailure:
    return ExchangeFailure("upstream_timeout", f"the upstream was silent for {seconds:g} s")
