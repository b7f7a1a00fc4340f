"""Checks of the local server: is its address free, or answered by this node?"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import HostPort

__all__ = ["live_checks", "resting_checks"]

_NAME = "http.listen"
_LIMIT = 3.0
_TAKEN = "stop it, or set [http] listen to another port; `ss -ltnp` shows whose it is"
_UNBOUND = "set [http] listen to an address of this machine, with a port from 1024 on"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def live_checks(address: Callable[[], HostPort | None]) -> list[Check]:
    """Return the checks of a server that should be running at an address."""

    async def listen() -> Sequence[Finding]:
        bound = address()
        if bound is None:
            detail = "the HTTP server does not run"
            return [Finding(_NAME, "problem", detail, "see why in `clawmatrix plugins list`")]
        if await _is_node(bound):
            return [Finding(_NAME, "ok", f"answers at http://{bound}")]
        detail = f"http://{bound} is bound, and does not answer"
        return [Finding(_NAME, "problem", detail, "look at the node's log")]

    return [Check(_NAME, listen)]


def resting_checks(listen: HostPort) -> list[Check]:
    """Return the checks of an address at which nothing should be running yet."""

    async def bind_it() -> Sequence[Finding]:
        from clawmatrix_http.binding import bind

        try:
            (await bind(listen)).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                who = "a ClawMatrix node" if await _is_node(listen) else "another program"
                return [Finding(_NAME, "problem", f"{listen} is taken, by {who}", _TAKEN)]
            why = error.strerror or str(error)
            return [Finding(_NAME, "problem", f"{listen} cannot be bound: {why}", _UNBOUND)]
        return [Finding(_NAME, "ok", f"{listen} is free")]

    return [Check(_NAME, bind_it)]


async def _is_node(address: HostPort) -> bool:
    """Say whether a node's server answers there."""
    host = _EVERYWHERE.get(address.host, address.host)
    request = f"GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    answer = b""
    try:
        with anyio.fail_after(_LIMIT):
            async with await anyio.connect_tcp(host, address.port) as stream:
                await stream.send(request.encode())
                while len(answer) < 4096:
                    answer += await stream.receive()
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
        pass
    return b'{"status":"ok"}' in answer
