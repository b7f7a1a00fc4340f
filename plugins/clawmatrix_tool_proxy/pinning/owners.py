"""Whose tools are pinned: ``server NAME COMMAND-OR-URL`` or ``node ID KEY``. Values only."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Owner"]


@attrs.frozen
class Owner:
    """An owner, taken apart.

    Attributes:
        kind: ``server`` or ``node``.
        name: what people call it.
        rest: the command, the address or the key; it may hold secrets, and is shown to nobody.
    """

    kind: str
    name: str
    rest: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Take the text of an owner apart."""
        kind, _, more = text.partition(" ")
        name, _, rest = more.partition(" ")
        return cls(kind, name, rest)

    @property
    def label(self) -> str:
        """What people see: ``server notes``."""
        return f"{self.kind} {self.name}"

    @property
    def mark(self) -> str:
        """A short word for the command, address or key."""
        return hashlib.sha256(self.rest.encode(errors="replace")).hexdigest()[:8]

    def is_called(self, word: str) -> bool:
        """Say whether a person means it: by its name, or by ``server/NAME`` or ``node/NAME``."""
        return word in (self.name, f"{self.kind}/{self.name}")
