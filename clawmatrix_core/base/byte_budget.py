"""A number of bytes that many owners hold together, with a fair share for each owner.

An unfinished message can be given up for others. The owner with the most bytes loses the message
whose last part is the oldest. So no owner keeps others out by messages that never end.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["BudgetExceeded", "ByteBudget", "HeldBytes"]


class BudgetExceeded(Exception):
    """There is no memory for more of this, or others needed it."""


@attrs.define(eq=False)
class HeldBytes:
    """What is held of one thing that comes in, while this is entered.

    Attributes:
        owner: who makes it be held.
        size: bytes.
        given_up: others needed its bytes.
        unfinished: it has brought something, and is not whole yet.
    """

    owner: str
    _budget: ByteBudget = attrs.field(repr=False)
    _give_up: Callable[[], None] = attrs.field(repr=False)
    size: int = 0
    given_up: bool = False
    unfinished: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._budget.release(self)

    def add(self, size: int, *, whole: bool = False) -> None:
        """Hold so many bytes more, with which it is ``whole`` or not. Raises: BudgetExceeded."""
        self._budget.add(self, size, whole=whole)

    def finish(self) -> None:
        """Note that the message is whole: from now on it is never given up."""
        if self.unfinished:
            self._budget.finish(self)

    def let_go(self) -> None:
        """Hold nothing of it any more; what comes later may be added."""
        self._budget.release(self)

    def give_up(self) -> None:
        """Give it up for others."""
        self.given_up = True
        self._give_up()


class ByteBudget:
    """So many bytes for all, and half as many for each owner.

    ``Held`` and ``Exceeded`` are the classes above.

    Attributes:
        most: how many; it may be changed.
    """

    Held: TypeAlias = HeldBytes
    Exceeded = BudgetExceeded

    def __init__(self, most: int) -> None:
        self.most = most
        self._held = 0
        self._owners: dict[str, int] = {}
        self._unfinished: defaultdict[str, dict[HeldBytes, None]] = defaultdict(dict)

    def __repr__(self) -> str:
        return f"<ByteBudget {self._held} of {self.most} bytes>"

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held

    def hold(self, owner: str, give_up: Callable[[], None]) -> HeldBytes:
        """Return what counts the bytes of one thing.

        Args:
            owner: who makes it be held.
            give_up: called where others need the bytes: it is to drop them.
        """
        return HeldBytes(owner, self, give_up)

    def add(self, held: HeldBytes, size: int, *, whole: bool = False) -> None:
        """See ``HeldBytes``."""
        if held.given_up:
            raise BudgetExceeded
        owner, most = held.owner, self.most
        if held.unfinished:
            self._forget(held)  # it comes last again: it brings something
        while self._owners.get(owner, 0) + size > most // 2:
            if not self._give_up_of(owner):
                raise BudgetExceeded
        while self._held + size > most:
            if not self._give_up_of(self._busiest()):
                raise BudgetExceeded
        if not whole:
            held.unfinished = True
            self._unfinished[owner][held] = None
        held.size += size
        self._held += size
        self._owners[owner] = self._owners.get(owner, 0) + size

    def finish(self, held: HeldBytes) -> None:
        """See ``HeldBytes``."""
        self._forget(held)

    def release(self, held: HeldBytes) -> None:
        """Hold it no more. Idempotent."""
        if held.unfinished:
            self._forget(held)
        size, owner = held.size, held.owner
        if not size:
            return
        held.size = 0
        self._held -= size
        if self._owners[owner] > size:
            self._owners[owner] -= size
        else:
            del self._owners[owner]

    def _busiest(self) -> str | None:
        """Return the owner of the most bytes, among owners with unfinished parts."""
        return max(self._unfinished, key=lambda owner: self._owners.get(owner, 0), default=None)

    def _give_up_of(self, owner: str | None) -> bool:
        if owner is None or not self._unfinished.get(owner):
            return False
        held = next(iter(self._unfinished[owner]))
        self.release(held)
        held.give_up()
        return True

    def _forget(self, held: HeldBytes) -> None:
        held.unfinished = False
        others = self._unfinished[held.owner]
        del others[held]
        if not others:
            del self._unfinished[held.owner]
