"""Posts messages to the node's ``/mcp``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx2

from clawmatrix_mcp.stdio.failures import Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clawmatrix_mcp.stdio.place import Place, Target

__all__ = ["Endpoint", "lost"]

_SILENCE: Final = 90.0
"""Seconds without a byte after which a node hangs: it sends something every 15."""
_KEPT: Final = 3.0
"""Seconds an idle connection is kept: the server closes its own after five."""
_TRIES: Final = 3
_ACCEPTED: Final = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "accept-encoding": "identity",
}


class Endpoint:
    """The node's ``/mcp``, wherever the node is now."""

    def __init__(self, place: Place) -> None:
        """Make one; ``client`` is opened and closed with ``async with``."""
        self._place = place
        limits = httpx2.Limits(max_connections=None, keepalive_expiry=_KEPT)
        timeout = httpx2.Timeout(_SILENCE, connect=5.0)
        self.client = httpx2.AsyncClient(trust_env=False, limits=limits, timeout=timeout)

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        patience: float | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request of HTTP, and give its answer when the head is here.

        A node that has moved, or has another token, is looked for anew: it has not seen the
        request then. Raises: Failed.
        """
        response = await self._open(method, body, headers, patience)
        try:
            yield response
        except httpx2.HTTPError as error:
            raise lost(error) from None
        finally:
            await response.aclose()

    async def _open(
        self, method: str, body: bytes | None, headers: Mapping[str, str], patience: float | None
    ) -> httpx2.Response:
        for last in (*[False] * (_TRIES - 1), True):
            target = await self._place.target(patience=patience)
            try:
                response = await self._send(method, target, body, headers)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                self._place.lost(target)
                if last:
                    message = "the node's HTTP server does not answer: see `clawmatrix doctor`"
                    raise Failed("node_unreachable", message) from None
                continue
            except httpx2.HTTPError as error:
                self._place.lost(target)
                raise lost(error) from None
            if response.status_code != httpx2.codes.UNAUTHORIZED or last:
                return response
            await response.aclose()
            self._place.lost(target)
        raise AssertionError("the last try returns or raises")

    async def _send(
        self, method: str, target: Target, body: bytes | None, headers: Mapping[str, str]
    ) -> httpx2.Response:
        sent = {**_ACCEPTED, **headers, "authorization": f"Bearer {target.token}"}
        request = self.client.build_request(method, target.url, content=body, headers=sent)
        return await self.client.send(request, stream=True)


def lost(error: Exception) -> Failed:
    """Return what a broken connection is to a client."""
    if isinstance(error, httpx2.TimeoutException):
        message = f"the node has said nothing for {_SILENCE:.0f} s: see `clawmatrix doctor`"
        return Failed("node_silent", message, may_have_run=True)
    message = "the node went away before it answered; look before asking again"
    return Failed("node_lost", message, may_have_run=True)
