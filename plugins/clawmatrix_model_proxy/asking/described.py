"""What ``clawmatrix models`` shows of the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clawmatrix_core import JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import Node
    from clawmatrix_model_proxy.asking.catalog import Catalog, ServedModel
    from clawmatrix_model_proxy.asking.health import Health

__all__ = ["describe"]


Own = Callable[[str, int], list[dict[str, JSON]]]
"""Takes a model that this node serves and the number of its upstream; returns what that lacks."""


def describe(
    node: Node, catalog: Catalog, health: Health, own: Own | None = None
) -> Iterator[dict[str, JSON]]:
    """Yield every model with the nodes that serve it, in the order of asking."""
    for id_, served in catalog.models():
        words = next((model.description for model in served if model.description), None)
        nodes = [_describe_node(node, model, health, own) for model in served]
        yield {"id": id_, "description": words, "nodes": nodes}


def _describe_node(
    node: Node, model: ServedModel, health: Health, own: Own | None
) -> dict[str, JSON]:
    upstreams = [health.describe(target) for target in model.targets]
    if own is not None and model.node == node.id:
        for number, upstream in enumerate(upstreams):
            told = {one["what"] for one in upstream["lacks"]}
            upstream["lacks"] += [one for one in own(model.id, number) if one["what"] not in told]
    peer = None if model.node == node.id else node.directory.get(model.node)
    known = None if peer is None else node.trust.how_known(model.node, peer.record.key_text)
    return {
        "nodeId": model.node,
        "known": known,
        "reachable": node.reachable(model.node),
        "api": model.api,
        "upstreams": upstreams,
    }
