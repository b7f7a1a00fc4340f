"""What a person at this node decided about revocations, and how that is kept."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.members.revocation import SignedRevocation  # noqa: TC001 - msgspec resolves it

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_core.base.node_id import NodeId

__all__ = ["Decisions", "StoredRevocations"]

_REJECTED_MOST = 4096
"""Revocations that a person rejected which are remembered; the oldest are forgotten first."""


class StoredRevocations(msgspec.Struct):
    """Revocations and decisions as they are in the state.

    ``said`` are those in force, which is what a program of before had here, ``others`` all that
    is kept beside them; a file of before has none. ``ignored`` is of before as well: up to when
    the revocations of each key were undone here.
    """

    said: list[SignedRevocation] = msgspec.field(default_factory=list)
    ignored: dict[str, int] = msgspec.field(default_factory=dict)
    others: list[SignedRevocation] | None = None
    accepted: list[SignedRevocation] = msgspec.field(default_factory=list)
    rejected: list[str] = msgspec.field(default_factory=list)


class Decisions:
    """The one revocation of each key that was accepted, and all that were rejected.

    An accepted one stays, whatever its author says later.
    """

    def __init__(self) -> None:
        self._accepted: dict[bytes, SignedRevocation] = {}  # by the key that it is about
        self._rejected: dict[str, None] = {}  # the oldest first

    def __repr__(self) -> str:
        return f"<Decisions: {len(self._accepted)} accepted, {len(self._rejected)} rejected>"

    @property
    def accepted(self) -> Collection[SignedRevocation]:
        """The revocations that were accepted."""
        return self._accepted.values()

    @property
    def rejected(self) -> Collection[str]:
        """The ids of those that were rejected."""
        return self._rejected.keys()

    def on(self, key: bytes) -> list[SignedRevocation]:
        """Return what was accepted about a key: one revocation or none."""
        found = self._accepted.get(key)
        return [] if found is None else [found]

    def is_accepted(self, signed: SignedRevocation) -> bool:
        """Say whether a revocation was accepted."""
        return any(one.id == signed.id for one in self.on(signed.read().key))

    def accept(self, signed: SignedRevocation) -> None:
        """Have a revocation be in force, in the place of one accepted earlier."""
        self._rejected.pop(signed.id, None)
        self._accepted[signed.read().key] = signed

    def reject(self, signed: SignedRevocation) -> None:
        """Have a revocation not be in force."""
        if self.is_accepted(signed):
            del self._accepted[signed.read().key]
        self._rejected.pop(signed.id, None)
        self._rejected[signed.id] = None
        while len(self._rejected) > _REJECTED_MOST:
            del self._rejected[next(iter(self._rejected))]

    def load(self, stored: StoredRevocations, own: NodeId) -> None:
        """Take what is in the state; ``own`` is this node's name. Raises: ValueError.

        Where a program wrote it that let every member's word be in force, all of these are.
        """
        self._rejected = dict.fromkeys(stored.rejected)
        self._accepted = {signed.read().key: signed for signed in stored.accepted}
        if stored.others is not None:
            return
        ignored = {base64.b64decode(key, validate=True): at for key, at in stored.ignored.items()}
        for signed in stored.said:
            said = signed.read()
            if ignored.get(said.key, -1) >= said.at:
                self.reject(signed)
            elif said.by != own:
                self.accept(signed)
