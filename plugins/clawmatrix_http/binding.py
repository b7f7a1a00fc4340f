"""The socket of the local server, bound by us: a taken port shows at once, as an OSError."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from clawmatrix_core.spi import TcpDialler

if TYPE_CHECKING:
    from clawmatrix_core import HostPort

__all__ = ["bind"]

_LOOKUP = 10.0
"""Seconds in which the name of the host has to be found."""


async def bind(listen: HostPort) -> socket.socket:
    """Return a bound socket for the first address of the host. Raises: OSError."""
    [first, *_] = await TcpDialler().look_up(listen.host, listen.port, limit=_LOOKUP)
    bound = socket.socket(first.family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(first.name)
        bound.listen(1024)  # here, so that a taken port shows at once
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound
