"""The pins in a node, and what becomes of those of nodes that are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import NodeId, StateError
from clawmatrix_tool_proxy.pinning.owners import Owner
from clawmatrix_tool_proxy.pinning.pins import Pins

if TYPE_CHECKING:
    from clawmatrix_core import Node

__all__ = ["forget_nodes", "pins_in"]


def pins_in(node: Node) -> Pins:
    """Return the pins of a node, as its state has them."""

    def followed(name: str, old: str, new: str) -> bool:
        return node.trust.followed(NodeId(name), old, new)

    pins = Pins(node.state, followed, node.logger("tools"))
    forget_nodes(node, pins)
    # That a person forgets a node is a change of the policy.
    node.when_policy_changes(lambda _: forget_nodes(node, pins))
    return pins


def forget_nodes(node: Node, pins: Pins) -> None:
    """Forget what is pinned of nodes that a person forgot."""
    gone = [owner for owner in pins.table.owners if _is_forgotten(node, Owner.of(owner))]
    if not gone:
        return
    try:
        pins.forget(gone)
    except StateError as error:
        node.logger("tools").error("the pins of forgotten nodes stay: %s", error)


def _is_forgotten(node: Node, owner: Owner) -> bool:
    name = NodeId(owner.name)
    return owner.kind == "node" and node.trust.is_forgotten(name) and node.trust.get(name) is None
