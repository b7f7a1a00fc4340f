"""What a listening port knows of reverse proxies in front: who is behind one, and ``/healthz``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core import Proxies
from clawmatrix_mesh.websocket.address import host_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.http11 import Request

__all__ = ["HEALTH", "HEALTHY", "Front"]

HEALTH = "/healthz"
"""The path at which a load balancer asks whether to send connections here."""
HEALTHY = "ok"


class Front(msgspec.Struct, frozen=True):
    """What the plugin tells its transport about what stands in front of the node.

    Attributes:
        proxies: the reverse proxies whose forwarded addresses count.
        health: returns ``ok`` where the node takes connections, else a word for why not.
    """

    proxies: Proxies = msgspec.field(default_factory=Proxies)
    health: Callable[[], str] = lambda: HEALTHY

    def remote(self, name: tuple[Any, ...] | None, request: Request | None) -> str:
        """Return the other end of a connection, as in ``Connection.remote``.

        The port is 0 where the address is the one that a proxy forwards.
        """
        if not name or request is None:
            return host_port(name)
        headers = request.headers
        client = self.proxies.client(
            name[0], headers.get_all("X-Forwarded-For"), headers.get_all("Forwarded")
        )
        return host_port(name) if client == name[0] else host_port((client, 0))
