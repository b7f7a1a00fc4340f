"""What a node has of its own among the members: keys, and what it holds of those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.members.identity import load_identity
from clawmatrix_core.members.revocations import Revocations
from clawmatrix_core.members.succession import load_succession
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.epoch import next_epoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.state.folder import State

__all__ = ["Standing", "open_standing"]


class Standing(msgspec.Struct, frozen=True):
    """What one run of a node has read from its state.

    Attributes:
        identity: its keys.
        epoch: counts its starts.
        succession: how it came to its key from earlier ones, for its record.
        trust: the keys that the names of others are pinned to.
        revocations: the keys that were put out of the mesh.
    """

    identity: Identity
    epoch: int
    succession: tuple[str, ...]
    trust: TrustStore
    revocations: Revocations


def _what_is_lost(state: State) -> tuple[str, ...]:
    """Return what is gone of the state of a node that ran before."""
    if state.read("epoch") is None:
        return ()
    lost = []
    if state.read("identity") is None:
        told = f"{state.locate('identity')} is gone: this node has a new key, which others refuse"
        lost.append(f"{told} until a person accepts it")
    if state.read("trust") is None:
        told = (
            f"{state.locate('trust')} is gone: the keys of the other nodes are not known any more"
        )
        lost.append(f"{told}, and those that they show next are taken")
    return tuple(lost)


def open_standing(
    node_id: NodeId, state: State, *, wall: Callable[[], float], identity: Identity | None = None
) -> Standing:
    """Read what a node has in its state; the keys are made where there are none.

    ``identity`` are other keys than those of the state. Raises: StateError.
    """
    lost = _what_is_lost(state)
    keys = identity or load_identity(state)
    epoch = next_epoch(state)
    trust = TrustStore(state)
    trust.lost = lost
    if state.read("trust") is None:
        state.write("trust", {})  # from now on it is known that there was one
    succession = load_succession(state, node_id, keys)
    revocations = Revocations(node_id, keys, state, trust, wall=wall)
    revocations.flush()
    return Standing(keys, epoch, succession, trust, revocations)
