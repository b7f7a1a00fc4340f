"""Two indexes that tell each other what they have, for as long as an exchange lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from clawmatrix_core.spi import Bell
from clawmatrix_knowledge.index.index import IndexBroken, Refused, ShareLost
from clawmatrix_knowledge.syncing.wire import receive_message, send_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clawmatrix_core import Exchange
    from clawmatrix_knowledge.index.index import Index
    from clawmatrix_knowledge.versions import Version

__all__ = ["Conversation"]

_ROUNDS: Final = 8
"""Messages in a row that may bring nothing before the next ones wait; honest nodes need fewer."""
_REST: Final = 1.0
"""Seconds that such a message is followed by, so that no peer keeps a node busy with nothing."""


class Conversation:
    """What is said over one exchange.

    Args:
        ex: the exchange, opened and agreed on.
        index: the index of this end.
        brought: told of versions that came, which are on the disk.

    Attributes:
        key: the key of the other end.
        sent: bytes of the messages that went out.
        came: messages that came in.
    """

    def __init__(
        self,
        ex: Exchange,
        index: Index,
        brought: Callable[[Sequence[Version]], Awaitable[None]],
    ) -> None:
        self.key = ex.peer_key or b""
        self.sent = self.came = 0
        self._ex, self._index, self._brought = ex, index, brought
        self._share = f"{ex.peer} {ex.id}"
        self._bell, self._mark = Bell(), 0
        self._error: Exception | None = None

    def changed(self) -> None:
        """Note that the index has more to say."""
        self._mark += 1
        self._bell.ring()

    async def run(self) -> None:
        """Speak until the other end leaves.

        Raises: Refused and BadMessage, where the other end is to blame; ExchangeError; ShareLost
            and IndexBroken, where this end has to begin anew.
        """
        await self._index.open_share(self._share)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_error, tasks.cancel_scope, self._send)
                tasks.start_soon(self._until_error, tasks.cancel_scope, self._receive)
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()
        if self._error is not None:
            raise self._error

    async def _until_error(
        self, scope: anyio.CancelScope, run: Callable[[], Awaitable[None]]
    ) -> None:
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - raised by ``run``, without a group around it
            self._error = self._error or error
        scope.cancel()

    async def _send(self) -> None:
        while True:
            seen = self._mark
            message = await self._index.message_for(self._share)
            if message is not None:
                self.sent += await send_message(self._ex, message)
            while seen == self._mark:
                await self._bell.wait()

    async def _receive(self) -> None:
        empty = 0
        while (message := await receive_message(self._ex)) is not None:
            with anyio.CancelScope(shield=True):  # what is on the disk is told of
                taken = await self._index.take(self._share, message)
                self.came += 1
                if taken.new:
                    await self._brought(taken.new)
            self.changed()
            empty = 0 if taken.new else empty + 1
            if empty > _ROUNDS:
                await anyio.sleep(_REST)

    async def _close(self) -> None:
        try:
            await self._index.close_share(self._share)
        except (Refused, ShareLost, IndexBroken):
            return  # it is forgotten all the same
