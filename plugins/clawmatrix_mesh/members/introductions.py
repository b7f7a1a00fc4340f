"""Whose introductions count here, and the latest list of each introducer. No I/O but the state.

An introducer is a node that ``[mesh.introducers]`` names with its key. Its lists count while this
node knows that very key as accepted or invited; an introducer that was only introduced counts for
nothing, so introductions are not passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core import (
    Bound,
    NamedKeys,
    NodeId,
    RemoteProtocolError,
    StartError,
    StateError,
    key_text,
)

if TYPE_CHECKING:
    from clawmatrix_core import JSON, Node

__all__ = ["INTRODUCED_MOST", "INTRODUCTIONS", "Introductions", "join_parts", "read_part"]

INTRODUCTIONS = "introductions"
"""The file in the state folder, and the type of the exchange."""
INTRODUCED_MOST = Bound(
    1024,
    "names with keys in the list of one introducer",
    fed_by="a member",
    when_full="the list is refused, and the one before it counts on",
)
"""Of its own names a node tells so many, the first by name."""

_SURE = ("accepted", "invited")


class _Held(msgspec.Struct, frozen=True):
    """A list as it is stored: who told it under which key, its number, and keys by name."""

    key: bytes
    number: int
    names: dict[NodeId, bytes]


class Introductions:
    """The introducers of one node, and what each told last.

    Raises: StartError, where what is stored cannot be used.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._named: dict[str, str] = {}
        self._held = _load(node)

    def __repr__(self) -> str:
        return f"<Introductions by {', '.join(sorted(self._named)) or 'nobody'}>"

    @property
    def named(self) -> tuple[NodeId, ...]:
        """The names of the introducers, sorted."""
        return tuple(map(NodeId, sorted(self._named)))

    def name(self, introducers: NamedKeys) -> None:
        """Take other introducers in the place of those before."""
        self._named = introducers.texts()

    def key_of(self, introducer: NodeId) -> bytes | None:
        """Return the key under which an introducer counts now, None where it does not."""
        node, text = self._node, self._named.get(introducer)
        known = None if text is None else node.trust.get(introducer)
        if text is None or known is None or known.known not in _SURE:
            return None
        if not node.trust.followed(introducer, text, known.key_text):
            return None
        revoked = node.revocations.get(known.sign_public) is not None
        return None if revoked else known.sign_public

    def take(self, introducer: NodeId, key: bytes, number: int, names: dict[NodeId, bytes]) -> None:
        """Keep a list that an introducer told under a key, the one by which it counts.

        Raises: RemoteProtocolError, for one that is older than the list that is kept, or another
            one of the same number; StateError, where it cannot be written.
        """
        held = self._held.get(introducer)
        if held is not None and self._is_by(held, introducer, key) and number <= held.number:
            if (number, names) == (held.number, held.names):
                return
            raise RemoteProtocolError(
                f"list {number} of {introducer}'s introductions, where {held.number} is known",
                reason="old_introductions",
            )
        self._held[introducer] = _Held(key, number, names)
        self._node.state.write(INTRODUCTIONS, self._held)

    def agreed(self) -> dict[NodeId, bytes]:
        """Return the keys that are introduced; names that introducers differ about are left out.

        This node and the introducers themselves are introduced by nobody.
        """
        found: dict[NodeId, set[bytes]] = {}
        for introducer in self.named:
            for name, key in self._told_by(introducer).items():
                found.setdefault(name, set()).add(key)
        for name in (self._node.id, *self.named):
            found.pop(name, None)
        return {name: min(keys) for name, keys in found.items() if len(keys) == 1}

    def _told_by(self, introducer: NodeId) -> Mapping[NodeId, bytes]:
        key, held = self.key_of(introducer), self._held.get(introducer)
        if key is None or held is None or not self._is_by(held, introducer, key):
            return {}
        return held.names

    def _is_by(self, held: _Held, introducer: NodeId, key: bytes) -> bool:
        """Say whether a list came under a key, or one before it that signed for it."""
        if held.key == key:
            return True
        return self._node.trust.followed(introducer, key_text(held.key), key_text(key))


def read_part(part: JSON) -> tuple[int, dict[NodeId, bytes]]:
    """Return the number of a list, and the keys in a part of it by name.

    Raises: RemoteProtocolError.
    """
    match part:
        case {"number": int(number), "names": Mapping() as names} if 0 <= number < 2**53:
            pass
        case _:
            raise _wrong("a list of introductions without a number and names")
    try:
        keys = NamedKeys.parse(names).keys
    except (TypeError, ValueError) as error:
        raise _wrong(f"wrong introductions: {error}") from None
    return number, {NodeId(name): key for name, key in keys.items()}


def join_parts(
    number: int | None, names: dict[NodeId, bytes], part: JSON
) -> tuple[int, dict[NodeId, bytes]]:
    """Return a list with one more part, its number and its names; ``number`` is None at first.

    Raises: RemoteProtocolError.
    """
    told, more = read_part(part)
    if number not in (None, told):
        raise _wrong("a list of introductions with two numbers")
    joined = {**names, **more}
    if len(joined) > INTRODUCED_MOST or len(joined) != len(names) + len(more):
        raise _wrong(f"more than {INTRODUCED_MOST} introductions, or one name twice")
    return told, joined


def _wrong(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, reason="bad_introductions")


def _load(node: Node) -> dict[NodeId, _Held]:
    try:
        stored = node.state.read(INTRODUCTIONS)
        return msgspec.convert({} if stored is None else stored, dict[NodeId, _Held])
    except (msgspec.ValidationError, StateError) as error:
        where = node.state.locate(INTRODUCTIONS)
        told = f"{where} is damaged: {error}; remove it, and the introducers are asked again"
        raise StartError(told, exit_code=4) from None
