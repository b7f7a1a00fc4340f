"""The heads of other nodes that this node keeps: what it can prove to them later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clawmatrix_audit.head import Head
from clawmatrix_core import Bound, key_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_core import JSON

__all__ = ["CHAINS", "HEADS", "KEYS", "STATE", "HeldHeads"]

STATE: Final = "audit-heads"
"""The state file that they are in."""
KEYS = Bound(
    1024,
    "keys of nodes whose heads of the audit are kept",
    fed_by="a member",
    when_full="the heads of the key that was not heard for the longest time go",
)
CHAINS = Bound(
    4,
    "chains of a key of which heads are kept",
    fed_by="a member",
    when_full="the last of them gives way, and the first ones stay",
)
HEADS = Bound(
    32,
    "heads of a chain that are kept",
    fed_by="a member",
    when_full="one goes that is close to others; the first and the newest stay",
)


class HeldHeads:
    """Heads by the key that signed them and by their chain, in order of their lines."""

    def __init__(self, stored: JSON, changed: Callable[[JSON], None]) -> None:
        """``stored`` is what ``changed`` was last called with, None at first."""
        self._changed = changed
        self._held: dict[str, dict[str, list[Head]]] = {}
        for key, chains in stored.items() if isinstance(stored, dict) else ():
            self._held[key] = {chain: _read(heads) for chain, heads in chains.items()}

    def keep(self, key: bytes, data: bytes) -> None:
        """Keep a head that came with a result of the node with that key.

        Raises: ValueError, where it is none, or another key signed it.
        """
        head = Head.decode(data)
        if not head.is_signed_by(key):
            raise ValueError("is not signed by the key of the node that sent it")
        chains = self._held.pop(key_text(key), {})
        self._held[key_text(key)] = chains  # the last one is the one heard last
        while len(self._held) > KEYS:
            del self._held[next(iter(self._held))]
        if head.chain not in chains and len(chains) >= CHAINS:
            chains.popitem()
        if _added(chains.setdefault(head.chain, []), head):
            self._changed(self._written())

    def of(self, key: bytes, chain: str) -> Sequence[Head]:
        """Return what is held of a node: all that its key signed, and all of its chain.

        The chain is known to those alone that have heads of it; a node has other keys after a
        rotation, and the same chain.
        """
        own = self._held.get(key_text(key), {})
        other = (chains.get(chain, []) for chains in self._held.values() if chains is not own)
        return [head for heads in (*own.values(), *other) for head in heads]

    def __iter__(self) -> Iterator[Head]:
        for chains in self._held.values():
            for heads in chains.values():
                yield from heads

    def _written(self) -> JSON:
        return {
            key: {
                chain: [head.encode().decode() for head in heads] for chain, heads in chains.items()
            }
            for key, chains in self._held.items()
        }


def _added(heads: list[Head], head: Head) -> bool:
    """Put a head in its place; say whether it is new."""
    if any((held.n, held.digest) == (head.n, head.digest) for held in heads):
        return False
    heads.append(head)
    heads.sort(key=lambda held: held.n)
    if len(heads) > HEADS:
        del heads[_least_missed(heads)]
    return True


def _least_missed(heads: Sequence[Head]) -> int:
    """Return which head says least beside its neighbours: the older, the farther apart they are."""

    def gap_for_its_age(at: int) -> float:
        return (heads[at + 1].n - heads[at - 1].n) / (heads[-1].n + 1 - heads[at].n)

    return min(range(1, len(heads) - 1), key=gap_for_its_age)


def _read(heads: JSON) -> list[Head]:
    found = []
    for text in heads:
        try:
            found.append(Head.decode(text.encode()))
        except ValueError:
            continue  # of a newer program
    return found
