"""The catalog as things are now, made anew only when a model somewhere came, went or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Bound
from clawmatrix_model_proxy.asking.catalog import Catalog, read_offers
from clawmatrix_model_proxy.config import ModelProxyConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node, NodeId
    from clawmatrix_model_proxy.asking.catalog import ServedModel
    from clawmatrix_model_proxy.asking.lists import ModelLists
    from clawmatrix_model_proxy.asking.names import NodeNames
    from clawmatrix_model_proxy.offer import Offered

__all__ = ["CATALOG_MOST", "CurrentCatalog", "models_that_fit"]

CATALOG_MOST = Bound(
    50_000,
    "models of all nodes together that can be asked for",
    fed_by="a member",
    when_full="those of the nodes that were known last are left out",
)
LOOK = 1.0
"""Seconds after which the records are looked at again although none is known to have changed."""

_Models = tuple[tuple["NodeId", tuple["ServedModel", ...]], ...]
_Parts = tuple[tuple["NodeId", ...] | None, _Models]


class CurrentCatalog:
    """Keeps the catalog. Records change all the time, but seldom in what they offer."""

    def __init__(
        self,
        node: Node,
        own: Callable[[], Offered],
        lists: ModelLists,
        names: NodeNames,
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        """Make it.

        Args:
            node: whose catalog it is.
            own: gives what this node offers, the same object while that is the same.
            lists: knows what the others offer.
            names: knows which first parts of ids are names of nodes.
            keep: called where ``names`` has something to be stored.
        """
        self._node = node
        self._names = names
        self._keep = keep
        self._own = own
        self._lists = lists
        self._offered: Offered | None = None
        self._served: tuple[ServedModel, ...] = ()
        self._parts: _Parts | None = None
        self._mark: tuple[int, int] | None = None
        self._catalog = Catalog((), (), names, node.id)
        self._looked = float("-inf")
        self._seen = -1  # the mark of the records that were looked at

    def __repr__(self) -> str:
        return f"<CurrentCatalog {self._catalog!r}>"

    def outdate(self) -> None:
        """Look at the records again when the catalog is next asked for."""
        self._looked = float("-inf")

    def get(self) -> Catalog:
        """Return the catalog."""
        now = self._node.clock.now()
        keep = self._names.look(now)
        renamed = self._mark != self._names.mark
        seen = self._node.directory.mark
        if renamed or seen != self._seen or now - self._looked > LOOK:
            self._looked, self._seen = now, seen
            parts = self._look()
            if renamed or not _are_same(parts, self._parts):
                keep = self._make(parts) or keep
        if keep:
            self._keep()
        return self._catalog

    def _make(self, parts: _Parts) -> bool:
        """Make the catalog anew; return whether there are names to be stored."""
        order, nodes = parts
        served = models_that_fit(nodes, self._names.seniority)
        keep = self._names.claim(served)
        before = self._catalog.left_out.keys()
        known = [name for name, _ in nodes]
        self._catalog = Catalog(served, known, self._names, self._node.id, order)
        self._parts, self._mark = parts, self._names.mark
        for name in self._catalog.left_out.keys() - before - {self._node.id}:
            first = self._catalog.left_out[name][0]
            told = f"a model {first[:80]!r}, whose name begins with another node's"
            self._node.switch.report(name, "taken_name", told)
        return keep

    def _look(self) -> _Parts:
        node = self._node
        offered = self._own()
        if offered is not self._offered:
            self._offered = offered
            self._served = tuple(read_offers(node.id, offered.entries))
        others = list(node.directory.others())
        self._lists.keep_only({peer.node_id for peer in others})
        nodes = [
            (node.id, self._served),
            *((peer.node_id, self._lists.of(peer)) for peer in others),
        ]
        return node.config.section(ModelProxyConfig).nodes, tuple(nodes)


def models_that_fit(
    nodes: _Models, seniority: Callable[[NodeId], tuple[int, float, NodeId]]
) -> list[ServedModel]:
    """Return the models of all nodes, or of the senior ones where they are too many."""
    if sum(len(models) for _, models in nodes) > CATALOG_MOST:
        nodes = tuple(sorted(nodes, key=lambda entry: seniority(entry[0])))
    found: list[ServedModel] = []
    for _, models in nodes:
        if len(found) + len(models) <= CATALOG_MOST:
            found += models
    return found


def _are_same(parts: _Parts, before: _Parts | None) -> bool:
    """Say whether nothing differs, without a look at each model."""
    if before is None or parts[0] != before[0] or len(parts[1]) != len(before[1]):
        return False
    pairs = zip(parts[1], before[1], strict=True)
    return all(name == other and one is two for (name, one), (other, two) in pairs)
