"""Plugins that implement the hooks of the tower."""

from __future__ import annotations

import anyio

from clawmatrix_core import ControlMethod, hookimpl

RUNG: list[str] = []


class ChimesPlugin:
    """Chimes, but fails at thirteen and never ends at fourteen."""

    extends = ("tower",)

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        """Show what was rung."""

        async def rung(params: object) -> list[str]:
            return RUNG

        return [ControlMethod("chimes.rung", call=rung)]

    @hookimpl
    def register_chimes(self) -> list[str]:
        """Name one chime."""
        return ["westminster"]

    @hookimpl
    async def bell_rung(self, hour: int) -> None:
        """Write the hour down."""
        if hour == 13:
            raise ValueError("there is no such hour")
        if hour == 14:
            await anyio.sleep_forever()
        RUNG.append(f"chimes {hour}")

    @hookimpl
    async def bell_ringer(self) -> str:
        """Answer for the case that nobody else does."""
        return "chimes"


class DeepChimesPlugin:
    """Chimes, and gives a value of another type too."""

    extends = ("tower",)

    @hookimpl
    def register_chimes(self) -> list[object]:
        """Name a chime, and add what is none."""
        return ["gong", 12]

    @hookimpl
    async def bell_rung(self, hour: int) -> None:
        """Write the hour down."""
        RUNG.append(f"deep-chimes {hour}")

    @hookimpl
    async def bell_ringer(self) -> str | None:
        """Leave the answer to others."""
        return None
