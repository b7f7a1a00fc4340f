"""Numbers that bound what others can fill or slow, each with the words for its row in the docs."""

from __future__ import annotations

from typing import Self

__all__ = ["Bound"]


class Bound(int):
    """A number that is the most that somebody outside can have a node hold or do.

    It is an integer wherever one is wanted. A module of the product assigns each to a name of
    its own, beside the code that keeps to it. The table in ``docs/security.md`` is made of these
    assignments, and each has a test marked ``bound`` that goes past it.

    Attributes:
        of: the noun of the counted things; a bound of bytes begins with "bytes".
        fed_by: who can fill it: "a stranger", "a member", "an upstream", "a client".
        when_full: the effect on the sender that goes past it, in a sentence without a full stop.
    """

    of: str
    fed_by: str
    when_full: str

    def __new__(cls, value: int, of: str, *, fed_by: str, when_full: str) -> Self:
        bound = super().__new__(cls, value)
        bound.of, bound.fed_by, bound.when_full = of, fed_by, when_full
        return bound

    @property
    def text(self) -> str:
        """The number as a person reads it: bytes in KiB, MiB or GiB where that is exact."""
        if self.of.startswith("bytes"):
            for size, unit in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
                if self >= size and self % size == 0:
                    return f"{self // size:,} {unit}"
        return f"{int(self):,}"
