"""Tells MCP clients that the list of tools changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import anyio

from clawmatrix_core.spi import Bell
from clawmatrix_mcp.offering.cluster import MANY

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_mcp.offering.offer import Offer
    from clawmatrix_mcp.offering.tables import Table

__all__ = ["Kind", "Listeners", "News"]

Kind: TypeAlias = Literal["tools", "resources", "prompts"]

REST: Final = 0.2
"""Seconds between something that may have changed and a look at it, so that changes add up."""
PAUSE: Final = 2.0
"""Seconds between two notices: a node that changes its list all the time is not to busy clients."""
KEEP: Final = 120.0
"""Seconds between two looks while clients listen: a list is followed while somebody uses it."""


class Listeners(Protocol):
    """Those who are told."""

    @property
    def any(self) -> bool:
        """Whether there are any."""

    async def tell(self, kind: Kind) -> None:
        """Tell all of them that a list changed."""


class News:
    """Looks at what is offered when it may have changed, and tells clients when it has."""

    def __init__(self, offer: Offer, listeners: Listeners, *, rest: float = REST) -> None:
        self._offer, self._listeners, self._rest = offer, listeners, rest
        self._bell, self._mark = Bell(), 0
        self._told: JSON = None
        self._differs = self._resources = False

    def changed(self) -> None:
        """Note that another list may be offered now."""
        self._mark += 1
        self._bell.ring()

    def resources_changed(self) -> None:
        """Note that another list of resources or prompts is offered now."""
        self._resources = True
        self.changed()

    def listed(self, table: Table) -> None:
        """Note what a client was given as the list."""
        seen = _visible(table)
        if self._told is None:
            self._told = seen
        elif seen != self._told:
            self._differs = True
            self.changed()

    async def run(self) -> None:
        """Tell clients of changes, without an end."""
        while True:
            mark = self._mark
            if await self._look():
                await anyio.sleep(PAUSE)
            with anyio.move_on_after(KEEP):
                while mark == self._mark:
                    await self._bell.wait()
            await anyio.sleep(self._rest)

    async def _look(self) -> bool:
        """Tell clients what changed, and return whether anything did."""
        if not self._listeners.any:
            self._told, self._differs = None, False  # whoever comes next may have seen any list
            return False
        now = _visible(await self._offer.table())
        differs = self._differs or self._told not in (None, now)
        self._told, self._differs = now, False
        resources, self._resources = self._resources, False
        if differs:
            await self._listeners.tell("tools")
        if resources:
            await self._listeners.tell("resources")
            await self._listeners.tell("prompts")
        return differs or resources


def _visible(table: Table) -> JSON:
    """Return what a client sees in a list, to compare; all long lists look the same."""
    if len(table.tools) > MANY:
        return "many"
    return [(name, offered.entry) for name, offered in table.tools.items()]
