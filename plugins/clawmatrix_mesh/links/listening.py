"""The addresses that this node listens at."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from clawmatrix_core import DialError, StartError, shown_address
from clawmatrix_mesh.addresses import find_transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core import Listener, Node, PluginScope, Transport
    from clawmatrix_mesh.links.acceptor import Acceptor

__all__ = ["Listening"]


class Listening:
    """Listens at addresses for as long as the plugin's scope lasts.

    Attributes:
        bound: the addresses that are bound now, with their ports.
        health: ``ok`` while connections are answered, else ``starting`` or ``stopping``.
    """

    def __init__(self, node: Node, scope: PluginScope) -> None:
        self.bound: tuple[str, ...] = ()
        self.health = "starting"
        self._node = node
        self._scope = scope
        self._listeners: list[Listener] = []

    async def bind(self, address: str, key: str) -> None:
        """Listen at an address. Connections wait there for ``open``. Raises: StartError.

        ``key`` is that of the address in the table ``mesh``, for the message.
        """
        try:
            transport = find_transport(self._node, address)
        except DialError as error:
            raise StartError(f"mesh.{key}: {error}", exit_code=2) from None
        try:
            listener = await self._scope.enter(self._listen(transport, address))
        except OSError as error:
            raise _cannot_bind(address, key, error) from None
        self._listeners.append(listener)
        self._node.logger("mesh").info(
            "listening on %s", ", ".join(map(shown_address, listener.addresses))
        )

    @asynccontextmanager
    async def _listen(self, transport: Transport, address: str) -> AsyncIterator[Listener]:
        async with transport.listen(address) as listener:
            self.bound += listener.addresses
            try:
                yield listener
            finally:
                self.bound = tuple(one for one in self.bound if one not in listener.addresses)

    def open(self, acceptor: Acceptor) -> None:
        """Have connections answered."""
        self.health = "ok"
        for listener in self._listeners:
            self._scope.start_soon(acceptor.accept, listener)


def _cannot_bind(address: str, key: str, error: OSError) -> StartError:
    taken = error.errno == errno.EADDRINUSE
    why = "is taken" if taken else f"cannot be bound: {error.strerror or error}"
    return StartError(
        f"mesh: {shown_address(address)} {why} (set [mesh] {key} to another address)",
        exit_code=5 if taken else 1,
    )
