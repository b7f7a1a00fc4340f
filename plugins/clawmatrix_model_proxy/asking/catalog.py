"""Which nodes serve which model, and what a name means: values in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core import NodeId
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

__all__ = ["Catalog", "Choice", "ListedModel", "ServedModel", "read_offers"]

_ID_LIMIT = 200
_TEXT_LIMIT = 2000


@attrs.frozen
class ServedModel:
    """A model at the node that serves it."""

    node: NodeId
    id: str
    description: str | None = None
    api: str = ""
    upstreams: int = 1

    @property
    def targets(self) -> tuple[Target, ...]:
        """What can be asked for it there, in order."""
        return tuple(Target(self.node, self.id, number) for number in range(self.upstreams))


@attrs.frozen
class Choice:
    """What a name means now.

    Attributes:
        model: the id that the nodes offer it by.
        targets: what to ask at reachable nodes, in order; at least one.
        pinned: the client named the node.
    """

    model: str
    targets: tuple[Target, ...]
    pinned: bool

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """The nodes among the targets, in order."""
        return tuple(dict.fromkeys(target.node for target in self.targets))


@attrs.frozen
class ListedModel:
    """An entry of the list of models: a bare id, or ``node/id``."""

    id: str
    nodes: tuple[NodeId, ...]
    description: str | None


def read_offers(node: NodeId, offers: object) -> Iterator[ServedModel]:
    """Yield the models in a node's record. What is malformed there is left out."""
    for entry in offers if isinstance(offers, list) else ():
        if not isinstance(entry, dict):
            continue
        id_ = entry.get("id")
        if isinstance(id_, str) and 0 < len(id_) <= _ID_LIMIT and id_.isprintable():
            words, api = _text(entry, "description"), _text(entry, "api") or ""
            yield ServedModel(node, id_, words, api, _count(entry))


def _text(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value[:_TEXT_LIMIT] if isinstance(value, str) else None


def _count(entry: dict[str, Any]) -> int:
    value = entry.get("upstreams", 1)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return min(max(value, 1), UPSTREAM_LIMIT) if whole else 1


class Catalog:
    """The models of the mesh as one node may use them.

    Args:
        served: every model at every node.
        known: every node there is, with models or without.
        order: the order in which nodes are asked and the only ones that are; None for all,
            by name.
    """

    def __init__(
        self,
        served: Iterable[ServedModel],
        known: Collection[NodeId],
        order: Sequence[NodeId] | None = None,
    ) -> None:
        rank = None if order is None else {name: at for at, name in enumerate(order)}
        self._known = frozenset(known)
        self._order = rank
        self._by_id: dict[str, dict[NodeId, ServedModel]] = {}
        self._elsewhere: set[str] = set()
        for model in sorted(served, key=lambda m: (rank.get(m.node, -1) if rank else 0, m.node)):
            if rank is not None and model.node not in rank:
                self._elsewhere.add(model.id)
            else:
                self._by_id.setdefault(model.id, {}).setdefault(model.node, model)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self._by_id)} models at {len(self._known)} nodes>"

    def resolve(self, name: str, reachable: Callable[[NodeId], bool]) -> Choice:
        """Return what a name means.

        ``node/model`` means that node alone, where the part before the slash names one; any
        other name means every node that serves it.

        Raises: ApiError: 404 where nobody serves it, 502 where no such node is reachable.
        """
        pin = self._split(name)
        if pin is not None:
            node, model = pin
            return self._pinned(name, node, model, reachable)
        served = self._by_id.get(name, {})
        if not served:
            raise self._unknown(name)
        there = tuple(t for node, model in served.items() if reachable(node) for t in model.targets)
        if not there:
            raise _unreachable(f"no node that serves {name!r} is reachable: {', '.join(served)}")
        return Choice(name, there, pinned=False)

    def list(self, reachable: Callable[[NodeId], bool]) -> Iterator[ListedModel]:
        """Yield what can be used now: each id once, then each as ``node/id``."""
        pinned: list[ListedModel] = []
        for id_ in sorted(self._by_id):
            there = [model for node, model in self._by_id[id_].items() if reachable(node)]
            if there:
                words = next((m.description for m in there if m.description), None)
                yield ListedModel(id_, tuple(m.node for m in there), words)
            pinned += [ListedModel(f"{m.node}/{m.id}", (m.node,), m.description) for m in there]
        yield from sorted(pinned, key=lambda entry: entry.id)

    def models(self) -> Iterator[tuple[str, Sequence[ServedModel]]]:
        """Yield every id with who serves it, reachable or not, in the order of asking."""
        for id_ in sorted(self._by_id):
            yield id_, tuple(self._by_id[id_].values())

    def _split(self, name: str) -> tuple[NodeId, str] | None:
        """Return node and model, for the longest beginning that names a node."""
        at = name.rfind("/")
        while at > 0:
            node, model = NodeId(name[:at]), name[at + 1 :]
            if node in self._known and model:
                # A model's own id may look like a pin; it is one only where it leads somewhere.
                return (
                    None if name in self._by_id and not self._serves(node, model) else (node, model)
                )
            at = name.rfind("/", 0, at)
        return None

    def _serves(self, node: NodeId, model: str) -> bool:
        return node in self._by_id.get(model, ())

    def _pinned(
        self, name: str, node: NodeId, model: str, reachable: Callable[[NodeId], bool]
    ) -> Choice:
        if self._order is not None and node not in self._order:
            raise _not_found(
                f"{node} is not among the nodes that get prompts, see [model-proxy] nodes"
            )
        if not self._serves(node, model):
            raise _not_found(f"the node {node} does not serve the model {model!r}")
        if not reachable(node):
            raise _unreachable(f"the node {node} is not reachable")
        return Choice(model, self._by_id[model][node].targets, pinned=True)

    def _unknown(self, name: str) -> ApiError:
        if name in self._elsewhere:
            return _not_found(
                f"the model {name!r} is served, but by no node that gets prompts,"
                " see [model-proxy] nodes"
            )
        return _not_found(f"no node serves the model {name!r}")


def _not_found(message: str) -> ApiError:
    return ApiError(404, message, code="model_not_found", param="model")


def _unreachable(message: str) -> ApiError:
    return ApiError(502, message, type="upstream_error", code="node_unreachable")
