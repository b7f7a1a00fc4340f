"""A ``Recollection`` that is made, and imported, for the first answer that is to be remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.spi import Bell

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.asking.recollection import Recollection

__all__ = ["LaterRecollection"]


class LaterRecollection:
    """Remembers answers that no upstream keeps; see ``Recollection``. Most nodes never do."""

    def __init__(self, now: Callable[[], float], limit: int, lifetime: float) -> None:
        """Remember nothing yet; ``now`` returns a clock's seconds, for the rest see ``use``."""
        self._now = now
        self._limit = limit
        self._lifetime = lifetime
        self._made: Recollection | None = None
        self._first = Bell()

    def __repr__(self) -> str:
        return f"<LaterRecollection of {self._made!r}>"

    def use(self, limit: int, lifetime: float) -> None:
        """Remember so many bytes from now on, for so many seconds; 0 bytes: nothing."""
        self._limit, self._lifetime = limit, lifetime
        if self._made is not None:
            self._made.use(limit, lifetime)

    async def run(self) -> None:
        """Forget in time, until cancelled."""
        await self._first.wait()
        assert self._made is not None
        await self._made.run()

    def forget(self, id_: str) -> bool:
        """Forget an answer, and its items; say whether it was remembered."""
        return self._made is not None and self._made.forget(id_)

    def expanded(self, body: bytes) -> bytes:
        """Return a request with the items that it names of those remembered. Raises: ApiError."""
        return body if self._made is None else self._made.expanded(body)

    def watch(self, body: bytes) -> Callable[[bytes], None] | None:
        """Return what is shown each part of an answer to a request, to remember it."""
        if self._made is None:
            from clawmatrix_model_proxy.asking.recollection import Recollection

            self._made = Recollection(self._now)
            self._made.use(self._limit, self._lifetime)
            self._first.ring()
        return self._made.watch(body)
