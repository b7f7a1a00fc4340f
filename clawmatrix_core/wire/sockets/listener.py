"""A listener over a bound stream socket, which closes what it accepted."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.wire.sockets.connection import SocketConnection, close_socket
from clawmatrix_core.wire.transport import Listener

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["SocketListener"]

_GOING_AWAY = 1001
_OF_ONE = (BlockingIOError, ConnectionError)
"""What ``accept`` of a socket raises for a connection that is gone already."""


class SocketListener(Listener):
    """Accepts SocketConnections at a listening stream socket, within ``async with``.

    Leaving the block closes the socket, and open connections with code 1001.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        *,
        remote: Callable[[socket.socket], str] | None = None,
    ) -> None:
        """Take over a socket: it is closed with the listener.

        Args:
            sock: a socket of type SOCK_STREAM that is bound and listens.
            address: the address that was bound, as ``dial`` takes it.
            remote: returns the address of the other end of an accepted socket; an OSError of
                it closes that socket alone. Without it, all have the address of the listener.
        """
        sock.setblocking(False)
        self.addresses = (address,)
        self._sock = sock
        self._remote = remote or (lambda accepted: address)
        self._accepted: set[SocketConnection] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        close_socket(self._sock)
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                for connection in tuple(self._accepted):
                    tasks.start_soon(connection.close, _GOING_AWAY, "the listener closed")

    async def accept(self) -> SocketConnection:
        """See Listener. Raises: OSError, where the socket is not at fault alone."""
        while True:
            await anyio.wait_readable(self._sock)
            with suppress(*_OF_ONE):
                accepted = self._sock.accept()[0]
                if (connection := self._made(accepted)) is not None:
                    return connection

    def _made(self, accepted: socket.socket) -> SocketConnection | None:
        """Return a connection over a socket, None where the other end is gone already."""
        try:
            remote = self._remote(accepted)
        except BaseException as error:
            accepted.close()
            if isinstance(error, OSError):
                return None
            raise
        connection = SocketConnection(accepted, remote, when_closed=self._accepted.discard)
        self._accepted.add(connection)
        return connection
