"""The control socket of a running node, made again when it goes.

The runtime folder goes when the user logs out, and cleaners of temporary folders take what
lies there for long. The node runs on, and commands must still find it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from clawmatrix_control.server import open_socket
from clawmatrix_core import StateError
from clawmatrix_core.spi import SocketPlace

if TYPE_CHECKING:
    import logging
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from anyio.abc import SocketListener

    from clawmatrix_control.server import ControlServer

__all__ = ["KeptSocket"]

LOOK = 2.0
"""Seconds between two looks whether the socket is still there."""


class KeptSocket:
    """The socket of a node, there while this is entered.

    Attributes:
        path: where it is.
    """

    path: Path

    def __init__(self, state_dir: Path, logger: logging.Logger, *, look: float = LOOK) -> None:
        """Make it; ``look`` is in seconds."""
        self._state_dir = state_dir
        self._log = logger
        self._look = look
        self._held = AsyncExitStack()
        self._listener: SocketListener
        self._inode = 0
        self._failed = False

    def __repr__(self) -> str:
        return f"<KeptSocket {self.path}>"

    async def __aenter__(self) -> Self:
        """Make the socket. Raises: StateError."""
        await self._make()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._held.aclose()

    async def serve(self, server: ControlServer) -> None:
        """Have a server answer, whatever becomes of the socket, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, self._listener)
            while True:
                await anyio.sleep(self._look)
                if await self.mend():
                    tasks.start_soon(server.serve, self._listener)

    async def mend(self) -> bool:
        """Make the socket again if it has gone, and say whether that was done."""
        if self._is_there():
            return False
        try:
            await self._make()
        except StateError as error:
            if not self._failed:
                self._log.warning("the control socket is gone, and commands fail: %s", error)
            self._failed = True
            return False
        self._failed = False
        self._log.warning("the control socket was gone; there is a new one, %s", self.path)
        return True

    def _is_there(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    async def _make(self) -> None:
        """Make a socket in place of the one before. Raises: StateError."""
        # The old one is closed first: it removes its file by the inode, which may come again.
        await self._held.aclose()
        place = SocketPlace.find(self._state_dir)
        for why in place.passed_over:
            self._log.info("the control socket is not there: %s", why)
        socket = open_socket(place)
        self._listener = await self._held.enter_async_context(socket)
        self.path, self._inode = place.path, place.path.stat().st_ino
