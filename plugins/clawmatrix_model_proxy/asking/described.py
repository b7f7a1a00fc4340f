"""What ``clawmatrix models`` shows of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON, Node
    from clawmatrix_model_proxy.asking.catalog import Catalog, ServedModel
    from clawmatrix_model_proxy.asking.health import Health

__all__ = ["describe"]


def describe(node: Node, catalog: Catalog, health: Health) -> Iterator[dict[str, JSON]]:
    """Yield every model with the nodes that serve it, in the order of asking."""
    for id_, served in catalog.models():
        words = next((model.description for model in served if model.description), None)
        nodes = [_describe_node(node, model, health) for model in served]
        yield {"id": id_, "description": words, "nodes": nodes}


def _describe_node(node: Node, model: ServedModel, health: Health) -> dict[str, JSON]:
    peer = None if model.node == node.id else node.directory.get(model.node)
    known = None if peer is None else node.trust.how_known(model.node, peer.record.key_text)
    return {
        "nodeId": model.node,
        "known": known,
        "reachable": node.reachable(model.node),
        "api": model.api,
        "upstreams": [health.describe(target) for target in model.targets],
    }
