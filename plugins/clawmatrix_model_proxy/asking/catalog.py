"""Which nodes serve which model, and what a name means: values in, values out."""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import msgspec

from clawmatrix_model_proxy.asking.health import NO_LOSSES, Target
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from clawmatrix_core import NodeId

__all__ = ["Catalog", "Choice", "ListedModel", "Names", "ServedModel", "read_offers"]

_ID_LIMIT = 200
_TEXT_LIMIT = 2000


@attrs.frozen
class ServedModel:
    """A model at the node that serves it.

    Attributes:
        api: what the first of its upstreams there speaks.
        apis: what each of them speaks, where they differ.
    """

    node: NodeId
    id: str
    description: str | None = None
    api: str = ""
    upstreams: int = 1
    apis: tuple[str, ...] = ()

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What can be asked for it there, in order."""
        apis = self.apis or (self.api,) * self.upstreams
        return tuple(Target(self.node, self.id, at, apis[at]) for at in range(self.upstreams))


class Choice(msgspec.Struct, frozen=True):
    """What a name means now.

    Attributes:
        model: the id that the nodes offer it by.
        targets: what to ask at reachable nodes, in order; at least one.
        pinned: the client named the node.
        losses: how much of the request a target cannot be told; see ``carriers_first``.
    """

    model: str
    targets: tuple[Target, ...]
    pinned: bool
    losses: Mapping[Target, int] = NO_LOSSES

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """The nodes among the targets, in order."""
        return tuple(dict.fromkeys(target.node for target in self.targets))


class ListedModel(msgspec.Struct, frozen=True):
    """An entry of the list of models: a bare id, or ``node/id``."""

    id: str
    nodes: tuple[NodeId, ...]
    description: str | None


class Names(Protocol):
    """What is known of the names of nodes; ``NodeNames`` has it."""

    def node_of(self, part: str) -> NodeId | None:
        """Return the node that a first part of an id means, None for no node."""

    def keeps(self, part: str, node: NodeId) -> bool:
        """Say whether a node's ids with a first part stay its own, although a node is called so."""

    def is_revoked(self, name: NodeId) -> bool:
        """Say whether the node of a name was put out."""

    def seniority(self, name: NodeId) -> tuple[int, float, NodeId]:
        """Return what sorts nodes into the order in which they are asked."""


def read_offers(node: NodeId, offers: object) -> Iterator[ServedModel]:
    """Yield the models in a node's record. What is malformed there is left out."""
    for entry in offers if isinstance(offers, list) else ():
        if not isinstance(entry, dict):
            continue
        id_ = entry.get("id")
        if isinstance(id_, str) and 0 < len(id_) <= _ID_LIMIT and _is_clean(id_):
            words, api, count = _text(entry, "description"), _text(entry, "api"), _count(entry)
            yield ServedModel(node, id_, words, api or "", count, _apis(entry, count))


def _is_clean(id_: str) -> bool:
    return id_.isprintable() and id_ == id_.strip("/ ")


def _text(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value[:_TEXT_LIMIT] if isinstance(value, str) else None


def _apis(entry: dict[str, Any], count: int) -> tuple[str, ...]:
    """Return what each upstream speaks; nothing, where the node does not say it of all."""
    apis = entry.get("apis")
    if not isinstance(apis, list) or len(apis) != count:
        return ()
    return tuple(api[:_ID_LIMIT] if isinstance(api, str) else "" for api in apis)


def _count(entry: dict[str, Any]) -> int:
    value = entry.get("upstreams", 1)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return min(max(value, 1), UPSTREAM_LIMIT) if whole else 1


class Catalog:
    """The models of the mesh as one node may use them.

    Args:
        served: every model at every node.
        known: every node whose models are known, with models or without.
        names: which first parts of ids are names of nodes.
        own: the node that asks.
        order: the order in which nodes are asked and the only ones that are; None for all,
            by seniority.

    Attributes:
        parts: the first parts of all ids with a slash, also of those that are left out.
        left_out: by node, its ids that begin with another node's name, which nobody asks it for.
    """

    def __init__(
        self,
        served: Iterable[ServedModel],
        known: Collection[NodeId],
        names: Names,
        own: NodeId,
        order: Sequence[NodeId] | None = None,
    ) -> None:
        self.parts: frozenset[str] = frozenset()
        self.left_out: dict[NodeId, list[str]] = {}
        self._known = frozenset(known)
        self._names = names
        self._own = own
        self._order = None if order is None else {name: at for at, name in enumerate(order)}
        self._by_id: dict[str, dict[NodeId, ServedModel]] = {}
        self._pinned_only: dict[str, dict[NodeId, ServedModel]] = {}
        self._elsewhere: set[str] = set()
        self._sort_in(served)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self._by_id)} models at {len(self._known)} nodes>"

    def _sort_in(self, served: Iterable[ServedModel]) -> None:
        by_node: dict[NodeId, list[ServedModel]] = {}
        for model in served:
            by_node.setdefault(model.node, []).append(model)
        nodes: dict[str, NodeId | None] = {}
        for node in sorted(by_node, key=self._rank):
            for model in by_node[node]:
                part, slash, _ = model.id.partition("/")
                if slash and part not in nodes:
                    nodes[part] = self._names.node_of(part)
                named = nodes[part] if slash else None
                if named not in (None, node) and self._names.keeps(part, node):
                    named = None
                self._put(model, named)
        self.parts = frozenset(nodes)

    def _rank(self, node: NodeId) -> tuple[int, float, NodeId]:
        if self._order is None:
            return self._names.seniority(node)
        return self._order.get(node, -1), 0.0, node

    def _put(self, model: ServedModel, named: NodeId | None) -> None:
        node = model.node
        if named is not None and node != named:
            self.left_out.setdefault(node, []).append(model.id)
            if node != self._own:
                return
        if self._order is not None and node not in self._order:
            self._elsewhere.add(model.id)
            return
        table = self._by_id if named is None else self._pinned_only
        table.setdefault(model.id, {}).setdefault(node, model)

    def resolve(self, name: str, reachable: Callable[[NodeId], bool]) -> Choice:
        """Return what a name means.

        ``node/model`` means that node alone, where the part before the first slash is a node's
        name, and is no id that was there before the node; any other name means every node that
        serves it.

        Raises: ApiError: 404 where nobody serves it, 502 where no such node is reachable.
        """
        part, slash, model = name.partition("/")
        node = self._names.node_of(part) if slash else None
        if node is not None and name not in self._by_id:
            if node != part:
                raise _not_found(f"no node has the name {part!r}, but one has the name {node!r}")
            return self._pinned(node, model, reachable)
        served = self._by_id.get(name, {})
        if not served:
            raise self._unknown(name)
        there = tuple(t for node, model in served.items() if reachable(node) for t in model.targets)
        if not there:
            raise _unreachable(f"no node that serves {name!r} is reachable: {', '.join(served)}")
        return Choice(name, there, pinned=False)

    def list(self, reachable: Callable[[NodeId], bool]) -> Iterator[ListedModel]:
        """Yield what can be used now: each id once, then each as ``node/id``."""
        pinned: dict[NodeId, list[ServedModel]] = {}
        for id_ in sorted(self._by_id):
            there = [model for node, model in self._by_id[id_].items() if reachable(node)]
            if there:
                words = next((m.description for m in there if m.description), None)
                yield ListedModel(id_, tuple(m.node for m in there), words)
            for model in there:
                pinned.setdefault(model.node, []).append(model)
        for served in self._pinned_only.values():
            for node, model in served.items():
                if reachable(node):
                    pinned.setdefault(node, []).append(model)
        for node in sorted(pinned, key="{}/".format):
            # The name of a node may be a publisher's here, so that no pin leads there.
            if self._names.node_of(node) == node:
                yield from self._pins(node, pinned[node])

    def _pins(self, node: NodeId, served: Iterable[ServedModel]) -> Iterator[ListedModel]:
        for model in sorted(served, key=attrgetter("id")):
            if (id_ := f"{node}/{model.id}") not in self._by_id:
                yield ListedModel(id_, (node,), model.description)

    def entry(self, name: str, reachable: Callable[[NodeId], bool]) -> ListedModel:
        """Return what the list says of a name. Raises: ApiError, as ``resolve``."""
        choice = self.resolve(name, reachable)
        served = (self._at(node, choice.model) for node in choice.nodes)
        words = (model.description for model in served if model is not None)
        return ListedModel(name, choice.nodes, next(filter(None, words), None))

    def models(self) -> Iterator[tuple[str, Sequence[ServedModel]]]:
        """Yield every id with who serves it, reachable or not, in the order of asking.

        An id that only ``node/id`` leads to is among them as that.
        """
        for id_ in sorted(self._by_id):
            yield id_, tuple(self._by_id[id_].values())
        for id_ in sorted(self._pinned_only):
            for node, model in self._pinned_only[id_].items():
                yield f"{node}/{id_}", (model,)

    def _pinned(self, node: NodeId, model: str, reachable: Callable[[NodeId], bool]) -> Choice:
        if self._order is not None and node not in self._order:
            raise _not_found(
                f"{node} is not among the nodes that get prompts, see [model-proxy] nodes"
            )
        if node not in self._known:
            raise self._missing(node)
        served = self._at(node, model)
        if served is None:
            raise _not_found(f"the node {node} does not serve the model {model!r}")
        if not reachable(node):
            raise _unreachable(f"the node {node} is not reachable")
        return Choice(served.id, served.targets, pinned=True)

    def _at(self, node: NodeId, model: str) -> ServedModel | None:
        """Return a node's model; its id may begin with the name of the node."""
        tables: tuple[tuple[Mapping[str, dict[NodeId, ServedModel]], str], ...] = (
            (self._by_id, model),
            (self._pinned_only, model),
            (self._pinned_only, f"{node}/{model}"),
        )
        found = (table.get(id_, {}).get(node) for table, id_ in tables)
        return next((served for served in found if served is not None), None)

    def _missing(self, node: NodeId) -> ApiError:
        if self._names.is_revoked(node):
            return _not_found(f"the node {node} was revoked")
        return _unreachable(f"the node {node} is not reachable: nothing was heard of it lately")

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
