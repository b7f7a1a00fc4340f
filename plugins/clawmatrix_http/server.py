"""The server: uvicorn's protocol on sockets of our own, without its process-wide habits.

uvicorn would exit the process where it cannot bind, take over signals, and configure the
logging of the whole program; none of that is for a library that a host embeds.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager, nullcontext
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clawmatrix_core import HostPort, RateLimitedLogger
from clawmatrix_http.api import CLIENT_GONE
from clawmatrix_http.cork import CorkedTransport

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from starlette.types import ASGIApp

__all__ = ["HttpServer"]

KEEP_ALIVE = 75
"""Seconds an idle connection stays open; longer than clients keep theirs in a pool."""


class HttpServer(uvicorn.Server):
    """Serves an ASGI application while it is entered. Runs on asyncio only.

    Attributes:
        address: the address that is bound.
    """

    def __init__(
        self,
        app: ASGIApp,
        bound: socket.socket,
        *,
        drain: float,
        logger: logging.Logger,
        on_refused: Callable[[str, str], None],
    ) -> None:
        """Make a server.

        ``drain`` is what answers under way get at the end, in seconds. ``on_refused`` is told of
        bytes that are no request: the reason, and who sent them.
        """
        super().__init__(_config(app, logger, self._on_closed, on_refused))
        host, port = bound.getsockname()[:2]
        self.address = HostPort(host, port)
        self._bound = bound
        self._drain = drain
        self._draining_until: float | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._closed = anyio.Event()

    def __repr__(self) -> str:
        state = "draining" if self._draining_until is not None else "open"
        return f"<HttpServer {self.address} {state}, {self.connections} connections>"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self.server_state.connections)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Touch no signal handler: they are the host's."""
        return nullcontext()

    def use(self, drain: float) -> None:
        """Set what answers under way get at the end, in seconds."""
        self._drain = drain

    async def __aenter__(self) -> Self:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[self._bound])
        self._tick()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self._stop_accepting()
        await self._cut()

    async def drain(self) -> None:
        """Take no new connection, and return when all answers are out or their time is over."""
        if self._draining_until is None:
            self._draining_until = anyio.current_time() + self._drain
        self._stop_accepting()
        with anyio.CancelScope(deadline=self._draining_until):
            while self.server_state.connections:
                await self._closed.wait()

    def _on_closed(self) -> None:
        self._closed.set()
        self._closed = anyio.Event()

    def _stop_accepting(self) -> None:
        self.should_exit = True
        for server in self.servers:
            server.close()
        self._bound.close()
        for connection in tuple(self.server_state.connections):
            connection.shutdown()  # idle ones close; busy ones do after their answer

    async def _cut(self) -> None:
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        for connection in tuple(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)  # lets the transports tell their protocols

    def _tick(self) -> None:
        """Keep the Date header right."""
        date = formatdate(usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date)]
        self._ticker = asyncio.get_running_loop().call_later(1.0, self._tick)


def _config(
    app: ASGIApp,
    logger: logging.Logger,
    on_closed: Callable[[], None],
    on_refused: Callable[[str, str], None],
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_protocol(logger, on_closed, on_refused),
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """What uvicorn logs: its warnings as debug lines, its errors once a minute each.

    A stranger decides how many of them there are. ``on_refused`` counts and logs what is refused.
    """

    level = logging.CRITICAL  # which uvicorn compares with its own level of tracing

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger, {})
        self._limited = RateLimitedLogger(logger)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if level >= logging.ERROR:
            self._limited.log(level, msg, f"{msg}: %r", *args, kwargs.get("exc_info"))
        elif level > logging.DEBUG and self.logger.isEnabledFor(logging.DEBUG):
            self.logger.debug(msg, *args)


def _protocol(
    logger: logging.Logger,
    on_closed: Callable[[], None],
    on_refused: Callable[[str, str], None],
) -> type[asyncio.Protocol]:
    quiet = _Quiet(logger)

    class Protocol(HttpToolsProtocol):
        """uvicorn's protocol, logging to the node's logger and not each access."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.logger = quiet  # type: ignore[assignment]
            self.access_log = False
            self._gone: Callable[[], None] | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(CorkedTransport(transport, self.loop))

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {CLIENT_GONE: {"call": self._when_gone}}

        def send_400_response(self, msg: str) -> None:
            on_refused("bad_request", self.client[0] if self.client else "an unknown address")
            super().send_400_response(msg)

        def _when_gone(self, call: Callable[[], None]) -> None:
            if self.transport.is_closing() or self.cycle.disconnected:
                call()
            else:
                self._gone = call

        def on_response_complete(self) -> None:
            self._gone = None
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self._gone is not None:
                self._gone()
            on_closed()

    return Protocol
