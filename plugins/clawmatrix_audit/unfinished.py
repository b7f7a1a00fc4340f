"""Work that was begun and has not ended, as the lines of the audit tell it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clawmatrix_core import JSON

__all__ = ["OPEN", "Unfinished"]

OPEN = Bound(
    8192,
    "pieces of work in the audit that have begun and not ended",
    fed_by="a member",
    when_full="no other one begins",
)
_SHOWN = ("id", "peer", "key", "action", "target", "caller")
_ENDS = ("end", "unfinished")


class Unfinished:
    """The beginnings that have no end yet.

    An id is chosen by the node that asks, so a piece of work is known by its peer and key too:
    no node can end the work of another one.
    """

    def __init__(self) -> None:
        self._begun: dict[tuple[JSON, ...], dict[str, JSON]] = {}

    def __len__(self) -> int:
        return len(self._begun)

    def note(self, fields: Mapping[str, JSON]) -> None:
        """Take in a line."""
        name = _name(fields)
        if fields.get("event") in ("begin", "carried"):
            shown: dict[str, JSON] = {key: fields.get(key) for key in _SHOWN}
            shown["since"] = fields.get("since", fields.get("at"))
            self._begun[name] = shown
        elif fields.get("event") in _ENDS:
            self._begun.pop(name, None)

    def carried(self, at: str) -> Sequence[dict[str, JSON]]:
        """Return the lines that a new file begins with: what still goes on."""
        return list(self._lines("carried", at))

    def reported(self, at: str) -> Sequence[dict[str, JSON]]:
        """Return the lines for what an earlier run began, and nothing ended."""
        return list(self._lines("unfinished", at))

    def _lines(self, event: str, at: str) -> Iterator[dict[str, JSON]]:
        for shown in self._begun.values():
            yield {"at": at, "event": event, **shown}


def _name(fields: Mapping[str, JSON]) -> tuple[JSON, ...]:
    return tuple(str(fields.get(key)) for key in ("id", "peer", "key", "caller"))
