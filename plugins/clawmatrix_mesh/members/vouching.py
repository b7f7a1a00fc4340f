"""The names that this node vouches for, as a numbered list that others may ask for.

These are names whose keys a person accepted here, or an invitation bound to them; what others
introduced to this node is not among them. The number grows with each change of the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core import NamedKeys, StartError, StateError
from clawmatrix_mesh.members.introductions import INTRODUCED_MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON, Node

__all__ = ["PART", "VOUCHED", "Vouching"]

VOUCHED = "vouched"
"""The file in the state folder."""
PART = 64
"""Names in one payload of the list."""


class _Stored(msgspec.Struct, frozen=True):
    number: int = 0
    names: dict[str, str] = msgspec.field(default_factory=dict)


class Vouching:
    """The list of one node. Raises: StartError, where what is stored cannot be used."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._list = _load(node)
        self._seen: tuple[int, str | None] | None = None

    def __repr__(self) -> str:
        return f"<Vouching for {len(self._list.names)} names, list {self._list.number}>"

    def parts(self) -> Iterator[dict[str, JSON]]:
        """Yield the present list in parts, one at least. Raises: StateError."""
        self._renew()
        names = [*self._list.names.items()]
        for at in range(0, max(len(names), 1), PART):
            yield {"number": self._list.number, "names": dict(names[at : at + PART])}

    def _renew(self) -> None:
        """Number the list anew where it has changed, and write it down before anybody sees it."""
        node = self._node
        seen = (node.trust.mark, node.revocations.summary())
        if seen == self._seen:
            return
        sure = node.trust.vouched().items()
        kept = [(name, key) for name, key in sure if node.revocations.get(key) is None]
        names = NamedKeys(dict(kept[:INTRODUCED_MOST])).texts()
        if names != self._list.names:
            # The clock outdoes a list from before the state folder was put back.
            number = max(self._list.number + 1, int(node.clock.wall() * 1000))
            new = _Stored(number, names)
            node.state.write(VOUCHED, new)
            self._list = new
        self._seen = seen


def _load(node: Node) -> _Stored:
    try:
        stored = node.state.read(VOUCHED)
        return _Stored() if stored is None else msgspec.convert(stored, _Stored)
    except (msgspec.ValidationError, StateError) as error:
        where = node.state.locate(VOUCHED)
        told = f"{where} is damaged: {error}; put a good copy in its place, or remove it"
        raise StartError(told, exit_code=4) from None
