"""The pins in a node: what the plugin registers of them, and what becomes of forgotten nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import NodeId, StateError, StatusSection
from clawmatrix_tool_proxy.pinning.methods import waiting_told
from clawmatrix_tool_proxy.pinning.owners import Owner
from clawmatrix_tool_proxy.pinning.pins import Pins
from clawmatrix_tool_proxy.pinning.words import status_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import JSON, Node

__all__ = ["forget_nodes", "pins_in", "pins_status"]


def pins_in(node: Node) -> Pins:
    """Return the pins of a node, as its state has them."""

    def followed(name: str, old: str, new: str) -> bool:
        return node.trust.followed(NodeId(name), old, new)

    pins = Pins(node.state, followed, node.logger("tools"))
    forget_nodes(node, pins)
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


def pins_status(pins: Callable[[], Pins | None]) -> StatusSection:
    """Return what the status says of tools that wait."""

    def told() -> JSON:
        found = pins()
        if found is None:
            return {"waiting": [], "lost": False}
        return {"waiting": waiting_told(found), "lost": found.table.lost}

    def lines(status: JSON) -> Sequence[str]:
        return list(status_lines(status["waiting"], lost=status["lost"]))

    return StatusSection("pins", told, text=lines, colour="yellow")
