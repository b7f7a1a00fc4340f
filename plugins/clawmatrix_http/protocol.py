"""One connection: uvicorn's protocol, with bounds on what may be sent before and beside bodies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from clawmatrix_core import Bound
from clawmatrix_http.api import CLIENT_GONE, WHOLE_ANSWER
from clawmatrix_http.cork import CorkedTransport
from clawmatrix_http.cycle import AnswerCycle
from clawmatrix_http.until_close import UntilClose

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from clawmatrix_core.spi import Places

__all__ = [
    "BESIDE",
    "CONNECTION",
    "DISCARDED",
    "HEAD",
    "HEADERS",
    "PIPELINED",
    "HttpConnection",
    "Limits",
]

HEAD = Bound(
    32 * 1024,
    "bytes of a request's head",
    fed_by="a stranger",
    when_full="the request is refused with 431, and the connection closed",
)
BESIDE = Bound(
    64 * 1024,
    "bytes between two parts of a request's body, and behind the last one: what is no body",
    fed_by="a stranger",
    when_full="the connection is closed",
)
HEADERS = Bound(
    128,
    "headers of a request",
    fed_by="a stranger",
    when_full="the request is refused with 431, and the connection closed",
)
PIPELINED = Bound(
    8,
    "requests on a connection that wait for the answer to another one",
    fed_by="a stranger",
    when_full="the connection is closed",
)
DISCARDED = Bound(
    1024 * 1024,
    "bytes of a body that are read and dropped, once its request has its answer",
    fed_by="a stranger",
    when_full="the connection is closed",
)
# Plain numbers, which are compared faster: these are looked at for each header and each request.
_HEAD, _HEADERS, _PIPELINED_MOST, _BESIDE = int(HEAD), int(HEADERS), int(PIPELINED), int(BESIDE)
CONNECTION = "clawmatrix.connection"
"""The ASGI extension by which the application reaches the connection of a request."""


class Limits(msgspec.Struct, frozen=True):
    """Times that a client has, in seconds.

    Attributes:
        head: for a whole head.
        body: for a body that brings nothing; a body may take longer for each byte it brings.
        rate: bytes of a body that have to come in a second, on average, after ``body`` seconds.
    """

    head: float = 20.0
    body: float = 30.0
    rate: float = 1024.0


class _Fault(msgspec.Struct, frozen=True):
    """What is wrong with a request, found while it is read."""

    status: int
    reason: str
    text: str


class _Stopped(Exception):
    """The parser has to stop. One that was raised keeps its connection: each is raised once."""


_TOO_LARGE = _Fault(431, "large_head", "the head of the request is too large")
_NOT_HTTP = _Fault(400, "bad_request", "this is not HTTP/1.1")
_PIPELINED = _Fault(400, "pipelined", "too many requests wait for an answer on this connection")
_SLOW_HEAD = _Fault(408, "slow_head", "the head of the request did not come in time")
_SLOW_BODY = _Fault(408, "slow_body", "the body of the request came too slowly")
_CROWDED = _Fault(503, "bodies_full", "the bodies of other requests need the memory of this one")


_NOTHING_MORE: dict[object, object] = {}
# Looked up once: ``super`` would do so for each request and each header.
_on_message_begin = HttpToolsProtocol.on_message_begin
_on_headers_complete = HttpToolsProtocol.on_headers_complete
_on_message_complete = HttpToolsProtocol.on_message_complete
_on_response_complete = HttpToolsProtocol.on_response_complete


class _Reader(asyncio.BufferedProtocol):
    """Reads a connection with a bound.

    It is no part of the connection: uvloop asks no protocol for a buffer that is an
    ``asyncio.Protocol`` as well.
    """

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self.get_buffer = connection.get_buffer  # type: ignore[method-assign]
        self.buffer_updated = connection.buffer_updated  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)


class HttpConnection(HttpToolsProtocol):
    """A connection of a client.

    It is made by uvicorn, so that what it is to work with stands in a class of its own, which
    ``bind`` returns.
    """

    own_logger: logging.LoggerAdapter[logging.Logger]
    places: Places
    buffer: memoryview
    now: Callable[[], float]
    refused: Callable[[str, str], None]
    on_closed: Callable[[], None]

    @classmethod
    def bind(
        cls,
        *,
        logger: logging.LoggerAdapter[logging.Logger],
        places: Places,
        now: Callable[[], float],
        refused: Callable[[str, str], None],
        on_closed: Callable[[], None],
    ) -> type[HttpConnection]:
        """Return the class of the connections of one server.

        Args:
            logger: what uvicorn logs to.
            places: the places of its connections.
            now: seconds, for what takes too long.
            refused: called for each refused request, with a short word for the reason and the
                address of the client.
            on_closed: called once a connection is closed.
        """
        # The buffer is one for all: connections of a loop are read one after the other.
        made = {
            "own_logger": logger,
            "places": places,
            "buffer": memoryview(bytearray(BESIDE)),
            "now": staticmethod(now),
            "refused": staticmethod(refused),
            "on_closed": staticmethod(on_closed),
        }
        return type("HttpConnectionOfServer", (cls,), made)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.own_logger  # type: ignore[assignment]
        self.access_log = False
        self._gone: Callable[[], None] | None = None
        self._place: Places.Taken | None = None
        self._fault: _Fault | None = None
        self._left = _HEAD  # bytes that may come before there is a head, or more of a body
        self._discarded = 0
        self._head_since: float | None = self.now()
        self._body_since: float | None = None
        self._body = 0

    # --- what comes in

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._place = self.places.find(transport.get_extra_info("socket").fileno())
        if self._place is not None:
            self._place.cut = transport.abort
        super().connection_made(CorkedTransport(transport, self.loop))
        transport.set_protocol(_Reader(self))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer[: max(1, self._left)]

    def buffer_updated(self, nbytes: int) -> None:
        self._left -= nbytes
        self.data_received(self.buffer[:nbytes].tobytes())
        if self._left <= 0 and not self.transport.is_closing():
            self._fail(_TOO_LARGE)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._head_since is None and self._body_since is None:
            self._head_since = self.now()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # there is nothing to upgrade to: it was a request like others
        except httptools.HttpParserError:
            fault, self._fault = self._fault, None
            self._fail(fault or _NOT_HTTP)

    def on_message_begin(self) -> None:
        _on_message_begin(self)
        self._discarded = 0
        self._head_since = self.now()
        extensions: dict[str, dict[object, object]] = {
            CLIENT_GONE: {"call": self._when_gone},
            CONNECTION: {"connection": self},
            WHOLE_ANSWER: _NOTHING_MORE,
        }
        self.scope["extensions"] = extensions

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_since is None:
            return  # behind the body, where nobody looks for headers
        headers = self.headers
        if len(headers) >= _HEADERS:
            self._stop(_TOO_LARGE)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        headers.append((name, value))

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= _PIPELINED_MOST:
            self._stop(_PIPELINED)
        self._left = _BESIDE
        self._head_since, self._body_since, self._body = None, self.now(), 0
        _on_headers_complete(self)
        # Before its task runs: uvicorn has no way to be told of another class.
        old = self.scope["http_version"] == "1.0"
        self.cycle.__class__ = UntilClose if old else AnswerCycle

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self.cycle.response_complete:
            self._discarded += len(body)
            if self._discarded > DISCARDED:
                self.transport.close()
                return
        self._left = _BESIDE
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._left, self._body_since = _HEAD, None
        _on_message_complete(self)

    def _stop(self, fault: _Fault) -> NoReturn:
        self._fault = fault
        raise _Stopped  # the parser says that a callback failed

    # --- what takes too long

    def sweep(self, now: float, limits: Limits) -> None:
        """Close the connection where its client took too long; called once in a while."""
        if self.transport.is_closing():
            return
        if self._head_since is not None and not self._answers():
            if now - self._head_since > limits.head:
                self._fail(_SLOW_HEAD)
        elif self._body_since is not None:
            if self.flow.read_paused or self.cycle.waiting_for_100_continue:
                self._body_since, self._body = now, 0  # it is not its client that waits
            elif now - self._body_since > limits.body + self._body / limits.rate:
                self._fail(_SLOW_BODY)

    def _answers(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    # --- how it ends

    @property
    def owner(self) -> str:
        """What has a part of its own in the bodies of all requests: this connection."""
        return f"{id(self):x}"

    def prove(self) -> None:
        """Note that the client has the token."""
        if self._place is not None and not self._place.proved:
            self.places.prove(self._place)

    def make_room(self) -> None:
        """Give up a request whose body others need the memory of."""
        if not self.transport.is_closing():
            self._fail(_CROWDED)

    def _fail(self, fault: _Fault) -> None:
        """Answer with an error where there is no answer yet, and close."""
        self.refused(fault.reason, self.client[0] if self.client else "an unknown address")
        if not self._answers() or not self.cycle.response_started:
            body = fault.text.encode() + b"\n"
            head = STATUS_LINE[fault.status] + b"content-type: text/plain\r\nconnection: close\r\n"
            length = b"content-length: %d\r\n\r\n" % len(body)
            self.transport.write(head + length + body)
        self.transport.close()

    def _when_gone(self, call: Callable[[], None]) -> None:
        if self.transport.is_closing() or self.cycle.disconnected:
            call()
        else:
            self._gone = call

    def on_response_complete(self) -> None:
        self._gone = None
        _on_response_complete(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._gone is not None:
            self._gone()
        self.on_closed()
