"""The definitions that are pinned, by owner, as they are kept. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from clawmatrix_core import Bound, ClawMatrixError
from clawmatrix_tool_proxy.pinning.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.pinning.definitions import Definition

__all__ = ["ALL_PINS", "OWNERS", "PINS", "TEXT", "TEXTS", "Pin", "PinTable", "PinsFull"]

OWNERS = Bound(
    256,
    "nodes whose tools are pinned, and as many mounted servers",
    fed_by="a member",
    when_full="the tools of one more are listed once a person forgot the pins of another",
)
PINS = Bound(
    1024,
    "tools of one node or server that are pinned",
    fed_by="a member",
    when_full="further tools wait, and cannot be accepted",
)
ALL_PINS = Bound(
    16_384,
    "tools of all nodes and servers that are pinned",
    fed_by="a member",
    when_full="further tools wait, and cannot be accepted",
)
TEXT = Bound(
    16 * 1024,
    "bytes of a pinned definition that are kept to show how it changed",
    fed_by="a member",
    when_full="its digest alone is kept, and a change of it is shown as a whole",
)
TEXTS = Bound(
    2 * 1024**2,
    "bytes of all pinned definitions that are kept to show how they changed",
    fed_by="a member",
    when_full="the digests alone are kept of further ones",
)
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class PinsFull(ClawMatrixError):
    """There is no room for one more pin."""


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A definition that was accepted: its digest, and its text where that is kept."""

    digest: _Digest
    text: str = ""


class PinTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is pinned.

    Attributes:
        owners: the pins of each owner by the names of the tools.
        lost: whether earlier pins were lost: then an owner that is new here may be an old one,
            and its tools wait.
    """

    owners: dict[str, dict[str, Pin]] = {}
    lost: bool = False

    @classmethod
    def read(cls, stored: JSON) -> PinTable:
        """Return the table that is stored. Raises: ValueError, where it is none."""
        return cls() if stored is None else msgspec.convert(stored, cls)

    def with_pins(self, owner: str, told: Mapping[str, Definition]) -> PinTable:
        """Return a table with these definitions pinned too. Raises: PinsFull."""
        known = self.owners.get(owner)
        if known is None and not self._has_room_for_owner(owner):
            kind = Owner.of(owner).kind
            raise PinsFull(f"the tools of {int(OWNERS)} {kind}s are pinned, which is the most")
        pins = dict(known or {})
        texts = self._texts()
        for name, definition in told.items():
            before = pins.get(name)
            texts -= 0 if before is None else len(before.text.encode())
            size = len(definition.text.encode())
            kept = definition.text if size <= TEXT and texts + size <= TEXTS else ""
            texts += len(kept.encode())
            pins[name] = Pin(definition.digest, kept)
        self._require_room(len(pins), len(pins) - len(known or {}))
        return msgspec.structs.replace(self, owners={**self.owners, owner: pins})

    def moved(self, old: str, new: str) -> PinTable:
        """Return a table in which the pins of one owner are those of another."""
        owners = {new if owner == old else owner: pins for owner, pins in self.owners.items()}
        return msgspec.structs.replace(self, owners=owners)

    def without(self, owners: Iterable[str]) -> PinTable:
        """Return a table without the pins of these owners."""
        gone = set(owners)
        kept = {owner: pins for owner, pins in self.owners.items() if owner not in gone}
        return msgspec.structs.replace(self, owners=kept)

    def trusting(self, *, lost: bool) -> PinTable:
        """Return a table that says whether earlier pins were lost."""
        return msgspec.structs.replace(self, lost=lost)

    def _has_room_for_owner(self, owner: str) -> bool:
        kind = Owner.of(owner).kind
        return sum(Owner.of(known).kind == kind for known in self.owners) < OWNERS

    def _require_room(self, of_owner: int, more: int) -> None:
        if more > 0 and of_owner > PINS:
            raise PinsFull(f"{of_owner} tools of one owner; {int(PINS)} can be pinned")
        if more > 0 and more + sum(map(len, self.owners.values())) > ALL_PINS:
            raise PinsFull(f"{int(ALL_PINS)} tools are pinned, which is the most")

    def _texts(self) -> int:
        return sum(len(pin.text.encode()) for pins in self.owners.values() for pin in pins.values())
