"""The HTTP client: connections to upstreams, kept for a while and used again.

Small and of our own, since the general ones take longer over a call than all else that a
node does for it (see docs/benchmarks.md). HTTP/1.1, parsed by httptools, on any event loop.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import ExchangeFailure
from clawmatrix_model_proxy.http.connection import HttpConnection, HttpResponse

if TYPE_CHECKING:
    from clawmatrix_model_proxy.http.dialler import HttpAddress, HttpDialler

__all__ = ["KEPT", "HttpClient", "TooLate"]

KEPT = 4.0
"""Seconds an idle connection is kept; common servers close theirs after five."""


class TooLate(Exception):
    """No answer began in time."""


_Origin = tuple[str, str, int]


class HttpClient:
    """Asks HTTP servers; ``run`` closes what has been idle for too long.

    Attributes:
        write: seconds for which a server may take no more of a request.
    """

    def __init__(self, dialler: HttpDialler, *, write: float, kept: float = KEPT) -> None:
        """Make a client.

        Args:
            dialler: opens connections.
            write: seconds for which a server may take no more of a request.
            kept: seconds for which an idle connection is kept.
        """
        self._dialler = dialler
        self.write = write
        self._kept = kept
        self._idle: dict[_Origin, list[HttpConnection]] = {}

    def __repr__(self) -> str:
        return f"<HttpClient {sum(map(len, self._idle.values()))} idle>"

    async def ask(
        self, address: HttpAddress, request: bytes, deadline: float = math.inf
    ) -> HttpResponse:
        """Send a whole request, and return its answer when the head is here.

        ``deadline`` is a time of the loop. The caller closes the answer.

        Raises: TooLate; ExchangeFailure.
        """
        connection = await self._take(address)
        if connection is not None and (deadline == math.inf or connection.limit(deadline)):
            return await self._ask(connection, address, request)
        with anyio.CancelScope(deadline=deadline):
            connection = connection or await self._dialler.dial(address)
            return await self._ask(connection, address, request)
        raise TooLate

    async def _ask(
        self, connection: HttpConnection, address: HttpAddress, request: bytes
    ) -> HttpResponse:
        try:
            await connection.send(request, self.write)
            await connection.read_head()
            if connection.expired:
                raise TooLate
            connection.limit(None)
            return HttpResponse(connection, lambda used: self._keep(address.origin, used))
        except BaseException as error:
            await connection.close()
            if connection.expired and isinstance(error, ExchangeFailure):
                raise TooLate from None
            raise

    async def _take(self, address: HttpAddress) -> HttpConnection | None:
        """Return the connection that was used last, of those that still can be."""
        idle = self._idle.get(address.origin)
        while idle:
            connection = idle.pop()
            if time.monotonic() - connection.idle_since < self._kept and not connection.stale:
                return connection
            await connection.close()
        return None

    def _keep(self, origin: _Origin, connection: HttpConnection) -> None:
        connection.idle_since = time.monotonic()
        self._idle.setdefault(origin, []).append(connection)

    async def run(self) -> None:
        """Close idle connections in time, until cancelled."""
        while True:
            await anyio.sleep(self._kept / 2)
            await self._close(time.monotonic() - self._kept)

    async def aclose(self) -> None:
        """Close all that are idle."""
        await self._close(float("inf"))

    async def _close(self, before: float) -> None:
        for idle in list(self._idle.values()):
            old = [one for one in idle if one.idle_since <= before]
            # In place: a call that waits within ``_take`` goes on with this very list.
            idle[:] = [one for one in idle if one.idle_since > before]
            for connection in old:
                await connection.close()
