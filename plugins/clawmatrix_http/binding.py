"""The socket of the local server, bound by us: a taken port shows at once, as an OSError."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from clawmatrix_core import HostPort

__all__ = ["bind"]


async def bind(listen: HostPort) -> socket.socket:
    """Return a bound socket for the first address of the host. Raises: OSError."""
    infos = await anyio.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = infos[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(1024)  # here, so that a taken port shows at once
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound
