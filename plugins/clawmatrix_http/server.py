"""The server: uvicorn's protocol on sockets of our own, without its process-wide habits.

uvicorn would exit the process where it cannot bind, take over signals, and configure the
logging of the whole program; none of that is for a library that a host embeds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AbstractContextManager, nullcontext
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn

from clawmatrix_core import HostPort, RateLimitedLogger
from clawmatrix_core.spi import HeldServer, Places
from clawmatrix_http.protocol import HttpConnection, Limits

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
        now: Callable[[], float] = time.monotonic,
        limits: Limits | None = None,
    ) -> None:
        """Make a server.

        Args:
            app: what answers.
            bound: the socket to listen on, which the server takes over.
            drain: what answers under way get at the end, in seconds.
            logger: for what goes wrong inside.
            on_refused: told of bytes that are no request, and of each connection that gets no
                place: the reason, and who sent them.
            now: seconds, for what takes too long.
            limits: times that a client has.
        """
        self.places = Places(lambda source, reason: on_refused(reason, source))
        made = HttpConnection.bind(
            logger=_Quiet(logger),
            places=self.places,
            now=now,
            refused=on_refused,
            on_closed=self._on_closed,
        )
        super().__init__(_config(app, made))
        self._made = made
        host, port = bound.getsockname()[:2]
        self.address = HostPort(host, port)
        self._bound = bound
        self._accepting: HeldServer | None = None
        self._now = now
        self._limits = limits or Limits()
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
        factory = partial(
            self._made,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self._accepting = HeldServer(factory, [self._bound], self.places)
        self._accepting.start()
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
        if self._accepting is not None:
            self._accepting.close()
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

    def sweep(self, now: float) -> None:
        """Close the connections whose clients took too long, at a time in seconds."""
        for connection in tuple(self.server_state.connections):
            connection.sweep(now, self._limits)  # type: ignore[union-attr]

    def _tick(self) -> None:
        """Keep the Date header right, and look for clients that are too slow."""
        self.sweep(self._now())
        date = formatdate(usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date)]
        self._ticker = asyncio.get_running_loop().call_later(1.0, self._tick)


def _config(app: ASGIApp, made: type[HttpConnection]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=made,
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
