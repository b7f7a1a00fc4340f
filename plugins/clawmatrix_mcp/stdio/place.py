"""Where the node is: asked of its control socket, kept until the node is not there any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import attrs

from clawmatrix_core import ClawMatrixError
from clawmatrix_core.cli import NotRunning
from clawmatrix_mcp.stdio.failures import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE", "Place", "Target"]

PATIENCE: Final = 3.0
"""Seconds for which a request waits for a node that is not there: a restart takes less."""
_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0


@attrs.frozen
class Target:
    """What a client of the node's HTTP server needs.

    Attributes:
        url: the address of ``/mcp``.
        token: what requests show.
    """

    url: str
    token: str = attrs.field(repr=False)


class Place:
    """Finds the node of a configuration, again and again."""

    def __init__(
        self,
        find: Callable[[], Target],
        tell: Callable[[str], None],
        *,
        patience: float = PATIENCE,
    ) -> None:
        """Make one.

        Args:
            find: asks for the node, in a thread. Raises: ClawMatrixError.
            tell: called with words for a person as the node goes and comes back.
            patience: seconds for which a request waits for a node that is not there.
        """
        self.patience = patience
        self._find = find
        self._tell = tell
        self._found: Target | None = None
        self._told: str | None = None
        self._lock = anyio.Lock()

    async def target(self, *, patience: float | None = None) -> Target:
        """Return where the node is; wait for it up to ``patience`` seconds. Raises: Failed."""
        deadline = anyio.current_time() + (self.patience if patience is None else patience)
        pause = _PAUSE
        while True:
            found = self._found or await self._ask_once()
            if isinstance(found, Target):
                return found
            left = deadline - anyio.current_time()
            if left <= 0 or found.word != NOT_RUNNING:
                self._say(str(found))
                raise found
            await anyio.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def lost(self, target: Target) -> None:
        """Note that the node is not there any more, or takes the token no longer."""
        if self._found == target:
            self._found = None

    async def _ask_once(self) -> Target | Failed:
        async with self._lock:  # requests that came together wait for one answer
            return self._found or await self._ask()

    async def _ask(self) -> Target | Failed:
        try:
            found = await anyio.to_thread.run_sync(self._find, abandon_on_cancel=True)
        except NotRunning as error:
            return Failed(NOT_RUNNING, str(error))
        except ClawMatrixError as error:
            return Failed("node_unreachable", str(error))
        if self._told is not None:
            self._say(None)
        self._found = found
        return found

    def _say(self, trouble: str | None) -> None:
        """Say each change once: every request of an agent meets the same trouble."""
        if trouble != self._told:
            self._told = trouble
            self._tell("the node is there again" if trouble is None else trouble)


NOT_RUNNING: Final = "node_not_running"
