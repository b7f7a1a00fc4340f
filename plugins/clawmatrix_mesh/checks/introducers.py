"""Introducers whose word does not count here, and what a person can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Finding, NamedKeys, NodeId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import Node

__all__ = ["look_at_introducers"]

_NAME = "mesh.introducers"


def look_at_introducers(named: NamedKeys, node: Node) -> Iterator[Finding]:
    """Yield each of ``[mesh.introducers]``, and whether this node knows the key that is named."""
    for name, text in named.texts().items():
        entry = node.trust.get(NodeId(name))
        if entry is None:
            yield Finding(_NAME, "warning", f"the introducer {name} is not known here yet")
        elif not node.trust.followed(NodeId(name), text, entry.key_text):
            detail = f"[mesh.introducers] names a key of {name} that {name} does not have"
            line = NamedKeys({name: entry.sign_public}).lines()[0]
            advice = f"compare `clawmatrix fingerprint` there; where it is right, write {line}"
            yield Finding(_NAME, "problem", detail, advice)
        elif entry.known not in ("accepted", "invited"):
            detail = (
                f"the key of the introducer {name} is {entry.known}, so its word does not count"
            )
            advice = f"compare it, and then: clawmatrix trust accept {name} {entry.fingerprint}"
            yield Finding(_NAME, "problem", detail, advice)
        else:
            yield Finding(_NAME, "ok", f"{name} introduces names, and its key is {entry.known}")
