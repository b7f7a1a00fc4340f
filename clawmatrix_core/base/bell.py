"""A bell: wakes tasks that wait for a change."""

from __future__ import annotations

import anyio

__all__ = ["Bell"]


class Bell:
    """Wakes those who wait for a change; they look again for themselves."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def ring(self) -> None:
        """Wake all who wait now."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Return after the next ring."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()
