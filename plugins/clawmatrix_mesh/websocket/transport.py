"""The ``ws`` and ``wss`` transport, on the websockets library, under asyncio and trio.

The library keeps the state of a connection and its queues. Here are its settings, all of
them chosen, and what its errors mean to ClawMatrix. Heartbeats are the links' own.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import sys
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from websockets.exceptions import (
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)

from clawmatrix_core import Connection, DialError, Listener, Transport, shown_address
from clawmatrix_core.spi import MESSAGE_LIMIT, TcpDialler
from clawmatrix_mesh.websocket.address import WebSocketAddress
from clawmatrix_mesh.websocket.connection import CLOSE_TIMEOUT, bind
from clawmatrix_mesh.websocket.front import HEALTH, HEALTHY, Front
from clawmatrix_mesh.websocket.statuses import explain_proxy_status, explain_status
from clawmatrix_mesh.websocket.way import Ways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from websockets.http11 import Request, Response

    from clawmatrix_core import Objection
    from clawmatrix_mesh.websocket.strangers import Door
    from clawmatrix_mesh.websocket.way import Way

__all__ = ["WebSocketTransport"]

OPEN_TIMEOUT = 10.0
"""Seconds a whole opening handshake may take, on either side."""
PATHS = ("/", "/clawmatrix")

_REFUSED = {403: "ws_origin", 404: "ws_not_found", 503: "ws_stopping"}
"""The words by which refused requests are counted, by the status of the answer."""
_THROUGH = " (through the proxy)"
_WRONG_NAME = (62, 64)
"""OpenSSL's codes for a certificate that is for another host or address."""


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """What the library logs, as debug lines without tracebacks, and never message by message."""

    def isEnabledFor(self, level: int) -> bool:
        return level > logging.DEBUG and self.logger.isEnabledFor(logging.DEBUG)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if self.isEnabledFor(level):
            error = sys.exc_info()[1] if kwargs.get("exc_info") else None
            self.logger.debug(f"{msg} {error!r}" if error else msg, *args)


_SETTINGS: dict[str, Any] = {
    "compression": None,
    "ping_interval": None,
    "ping_timeout": None,
    "close_timeout": CLOSE_TIMEOUT,
    "max_size": MESSAGE_LIMIT,
    "max_queue": (16, 4),
    "logger": _Quiet(logging.getLogger(__name__), {}),
}


class WebSocketTransport(Transport):
    """Connects by ``ws://host:port`` and ``wss://host:port``."""

    schemes = ("ws", "wss")

    def __init__(
        self,
        *,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        proxy: str | None = None,
        open_timeout: float = OPEN_TIMEOUT,
        tcp: TcpDialler | None = None,
        strange: TcpDialler | None = None,
        door: Door | None = None,
        refused: Callable[[str], None] = lambda _: None,
        front: Front | None = None,
    ) -> None:
        """Make a transport.

        Args:
            server_tls: what ``wss`` is served with.
            client_tls: what ``wss`` is dialled with; the system's trust where it is None.
            proxy: what all is dialled through.
            open_timeout: seconds that a whole opening handshake may take.
            tcp: dials addresses of the configuration, and the proxy.
            strange: dials addresses that other nodes advertise.
            door: bounds what strangers have of this node. Without one a connection is read
                without a bound, and ``allow`` does nothing.
            refused: is told the reason, a word, for each connection that was not opened.
            front: the reverse proxies in front of what it listens at; None for none.
        """
        self._server_tls = server_tls
        self._client_tls = client_tls
        self._proxy = proxy
        self._open_timeout = open_timeout
        self._door = door
        self._refused = refused
        self._front = front or Front()
        self._ways = Ways(proxy, tcp, strange)

    async def dial(self, address: str) -> Connection:
        return await self._dial(address, None)

    async def dial_advertised(self, address: str, objection: Objection) -> Connection:
        return await self._dial(address, objection)

    async def _dial(self, address: str, objection: Objection | None) -> Connection:
        try:
            parsed = WebSocketAddress.parse(address)
        except ValueError as error:
            raise DialError(str(error), reason="address") from None
        settings = _SETTINGS | {
            "user_agent_header": None,
            "open_timeout": self._open_timeout,
        }
        if parsed.secure:
            if self._client_tls is None:
                self._client_tls = ssl.create_default_context()
            settings["ssl"] = self._client_tls
        try:
            with anyio.fail_after(self._open_timeout):
                way = await self._ways.find(parsed, objection, self._open_timeout)
                with _closed_unless_taken(way):
                    guarded = self._door is not None
                    settings |= way.settings()
                    return await _backend().dial(
                        address, parsed.target, way, settings, guarded=guarded
                    )
        except (OSError, ValueError, ImportError, WebSocketException) as error:
            where = f"{parsed.target}{_THROUGH}" if self._proxy else parsed.target
            # Its cause may name the proxy with its password.
            raise _explain(error, where, self._open_timeout) from None

    @asynccontextmanager
    async def listen(self, address: str) -> AsyncIterator[Listener]:
        shown = shown_address(address)
        try:
            parsed = WebSocketAddress.parse(address)
        except ValueError as error:
            raise OSError(errno.EINVAL, f"{shown}: {error}") from None
        if parsed.path not in PATHS:
            raise OSError(errno.EINVAL, f"{shown}: the path can only be {' or '.join(PATHS)}")
        if parsed.secure and self._server_tls is None:
            raise OSError(errno.EINVAL, f"{shown}: wss needs tls_cert and tls_key")
        settings = _SETTINGS | {
            "process_request": partial(_check_request, self._front),
            "process_response": partial(_count_refused, self._refused),
            "server_header": None,
            "open_timeout": self._open_timeout,
            "ssl": self._server_tls if parsed.secure else None,
        }
        bound = bind(await self._ways.find_own(parsed, self._open_timeout))
        async with _backend().listen(
            parsed, bound, settings, self._door, self._refused, self._front
        ) as listener:
            yield listener


class _Backend(Protocol):
    """What the module of each event loop has."""

    async def dial(
        self,
        address: str,
        target: str,
        way: Way,
        settings: Mapping[str, Any],
        *,
        guarded: bool,
    ) -> Connection: ...

    def listen(
        self,
        address: WebSocketAddress,
        bound: Sequence[socket.socket],
        settings: Mapping[str, Any],
        door: Door | None,
        refused: Callable[[str], None],
        front: Front,
    ) -> AbstractAsyncContextManager[Listener]: ...


@contextmanager
def _closed_unless_taken(way: Way) -> Iterator[None]:
    """Close a socket that came to be no connection, also where the library did not get it."""
    try:
        yield
    except BaseException:
        if way.sock is not None:
            way.sock.close()
        raise


def _backend() -> _Backend:
    # A node that runs on asyncio needs no trio, so only what runs already is imported.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        from clawmatrix_mesh.websocket import on_trio

        return on_trio
    from clawmatrix_mesh.websocket import on_asyncio

    return on_asyncio


class _Responds(Protocol):
    def respond(self, status: int, text: str) -> Response: ...


def _check_request(front: Front, ws: _Responds, request: Request) -> Response | None:
    if "Origin" in request.headers:  # only browsers send one, on behalf of a page
        return ws.respond(403, "Web pages have no business here.\n")
    path = request.path.partition("?")[0]
    if path in PATHS:
        return None
    if path == HEALTH:
        health = front.health()
        return ws.respond(200 if health == HEALTHY else 503, f"{health}\n")
    return ws.respond(404, "There is nothing here.\n")


def _count_refused(
    refused: Callable[[str], None], ws: object, request: Request, response: Response
) -> None:
    if request.path.partition("?")[0] == HEALTH and response.status_code in (200, 503):
        refused("ws_health")
    elif response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        refused(_REFUSED.get(response.status_code, "ws_bad_request"))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__


def _explain_tls(error: ssl.SSLError, target: str) -> tuple[str, str]:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "tls", f"no TLS with {target}: {error.reason} (does it listen at wss:// or ws://?)"
    hint = "" if error.verify_code in _WRONG_NAME else ' (a private CA goes in ca = "...")'
    text = f"the TLS certificate of {target} is not trusted: {error.verify_message}{hint}"
    return "untrusted", text


def _explain(error: Exception, target: str, open_timeout: float) -> DialError:
    """Return what went wrong, as a sentence that says what to look at."""
    reason, text = next(
        (told for cause in _causes(error) if (told := _words(cause, target, open_timeout))),
        ("", f"no connection to {target}: {str(error) or type(error).__name__}"),
    )
    return DialError(text, reason=reason)


def _words_of_uri(cause: InvalidURI | InvalidProxy | ProxyError, target: str) -> tuple[str, str]:
    """Return the same for an address or a proxy; the words of the first two repeat it whole."""
    target = target.removesuffix(_THROUGH)
    match cause:
        case InvalidURI():
            return "address", f"the address of {target} is not one: {cause.msg}"
        case InvalidProxy():
            return "proxy", "the proxy is not an address like http://host:port"
        case InvalidProxyStatus():
            return explain_proxy_status(cause.response.status_code, target)
    inner = cause.__cause__ if "SOCKS" in str(cause) else cause  # the proxy's own words
    return "proxy", f"the proxy does not connect to {target}: {inner}"


def _words(cause: BaseException, target: str, open_timeout: float) -> tuple[str, str] | None:
    """Return a short word for a cause and a sentence about it, None where it tells nothing."""
    match cause:
        case ssl.SSLError():
            return _explain_tls(cause, target)
        case ConnectionRefusedError():
            return "not_listening", f"connection refused by {target} (is a node listening there?)"
        case ConnectionResetError() | ConnectionAbortedError():
            hint = "(does it listen at wss:// or ws://?)"
            return "broken_off", f"{target} broke the connection off {hint}"
        case TcpDialler.NameServerSilent():
            return "name", f"the name of {target} is not looked up: {cause.strerror}"
        case socket.gaierror():
            return "name", f"the name of {target} does not resolve: {cause.strerror}"
        case TimeoutError():
            return "timeout", f"no answer from {target} within {open_timeout:g} s"
        case InvalidStatus():
            return explain_status(cause.response, target)
        case InvalidURI() | InvalidProxy() | ProxyError():
            return _words_of_uri(cause, target)
        case InvalidHandshake():
            return "not_a_node", f"{target} is not a ClawMatrix node: {cause}"
    return None
