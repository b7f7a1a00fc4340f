"""A plugin that misspells a hook of the tower."""

from __future__ import annotations

from clawmatrix_core import hookimpl


class CrookedPlugin:
    """Means ``bell_rung``."""

    extends = ("tower",)

    @hookimpl
    async def bell_rang(self, hour: int) -> None:
        """Never be called."""
