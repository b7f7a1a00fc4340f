"""Revocations that wait for a person, and revokers whose key is not the one named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import Finding, NamedKeys, NodeId
from clawmatrix_mesh.members.revocation_methods import waiting_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["look_at_revokers", "look_at_waiting"]

_NAME = "mesh.revocations"
_SHOWN = 5


def look_at_waiting(waiting: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """Yield the revocations about which a person has to decide, as ``waiting_json`` has them."""
    for one in waiting[:_SHOWN]:
        name = one["nodeId"]
        advice = f"clawmatrix revocations accept {name}, or reject {name}; ask {one['by']} why"
        yield Finding(_NAME, "warning", f"{waiting_words(one)}: it waits for you", advice)
    if len(waiting) > _SHOWN:
        more = f"{len(waiting) - _SHOWN} more revocations wait"
        yield Finding(_NAME, "warning", more, "clawmatrix revocations list")
    if not waiting:
        yield Finding(_NAME, "ok", "no revocation waits")


def look_at_revokers(
    named: Mapping[str, bytes],
    own: tuple[str, bytes],
    keys_of: Callable[[NodeId], tuple[bytes, ...]],
) -> Iterator[Finding]:
    """Yield each of ``[mesh.revokers]`` that is known by another key than the one named.

    ``own`` is this node's name and key; ``keys_of`` gives a name's key and its earlier ones.
    """
    for name, key in named.items():
        keys = own[1:] if name == own[0] else keys_of(NodeId(name))
        if keys and key not in keys:
            detail = f"[mesh.revokers] names a key of {name} that {name} does not have"
            line = NamedKeys({name: keys[0]}).lines()[0]
            advice = f"compare `clawmatrix fingerprint` there; where it is right, write {line}"
            yield Finding(_NAME, "problem", detail, advice)
