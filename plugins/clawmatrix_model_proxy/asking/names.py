"""What the first part of a model id means: a node, or no node at all.

A part may be a node's name for several reasons, and a first part of plain ids for several
others. From the top, the first that holds decides:

1. ``publishers`` of the configuration has it: no node.
2. It is this node's name, or is or was in ``nodes`` of the configuration: that node.
3. A node of that name proved itself here, or a person's word revoked or forgot it: that node.
4. Ids of this node, or of a member that proved itself, had it before the name was heard: no node.
5. The name is known by hearsay: that node.
6. One of these names differs from it in case alone: that node, which is not asked for it.

Where the third holds, ids of this node and of those in ``nodes`` keep their meaning if they were
there first: a person here vouched for them.
"""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core import Bound, NodeId, StateError
from clawmatrix_model_proxy.asking.claims import Claims
from clawmatrix_model_proxy.config import ModelProxyConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import JSON, Node
    from clawmatrix_model_proxy.asking.catalog import ServedModel

__all__ = ["REVOKED_MOST", "STATE", "NodeNames", "first_part", "fold"]

STATE = "model-names"
"""The state file."""
REVOKED_MOST = Bound(
    4096,
    "names of revoked nodes that stay names of nodes when their revocations are gone",
    fed_by="a member",
    when_full="the one that was noted first is forgotten",
)
_PART_LIMIT = 200
"""Characters beyond which a first part is no name: the id of a model has no more."""
_LOOK = 1.0
"""Seconds between two looks at the revocations that a person may have undone."""


def first_part(id_: str) -> str:
    """Return what stands before the first slash of a model id, empty without a slash."""
    part, slash, _ = id_.partition("/")
    return part if slash else ""


def fold(part: str) -> str:
    """Return a first part in the form in which parts that look alike are the same."""
    return unicodedata.normalize("NFKC", part).strip().casefold()


class _Stored(msgspec.Struct):
    """What is in the state.

    Attributes:
        claims: see Claims.
        listed: the names that ever stood in ``nodes`` of the configuration.
        revoked: the names that were revoked, the earliest first.
    """

    claims: dict[str, NodeId] = msgspec.field(default_factory=dict)
    listed: list[NodeId] = msgspec.field(default_factory=list)
    revoked: list[NodeId] = msgspec.field(default_factory=list)


class NodeNames:
    """Knows which first parts are names of nodes here; kept over restarts.

    Attributes:
        mark: another value whenever an answer may have changed.

    Raises: StateError, where what is stored cannot be used.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        stored = _load(node)
        self._claims = Claims(node.id, stored.claims)
        self._listed = dict.fromkeys(stored.listed)
        self._revoked = dict.fromkeys(stored.revoked)
        self._out: frozenset[NodeId] = frozenset()
        self._own_parts: frozenset[str] = frozenset()
        self._trusted: frozenset[NodeId] = frozenset()
        self._publishers: frozenset[str] = frozenset()
        self._config: ModelProxyConfig | None = None
        self._looked = float("-inf")
        self._summary: str | None = None
        self._changes = 0
        self._alike: dict[str, NodeId] = {}
        self._make_index()

    def __repr__(self) -> str:
        return f"<NodeNames of {self._node.id}: {self._claims!r}, {len(self._revoked)} revoked>"

    @property
    def mark(self) -> tuple[int, int]:
        """Another value whenever an answer may have changed."""
        return self._node.trust.mark, self._changes

    def to_state(self) -> dict[str, JSON]:
        """Return what is to be stored."""
        revoked, listed = list(self._revoked), list(self._listed)
        return {"claims": self._claims.all(), "listed": listed, "revoked": revoked}

    # --- looking at what may have changed

    def look(self, now: float) -> bool:
        """Take over the configuration and the revocations; return whether anything is to be kept.

        Those that wait for a person, and a key's word on itself, are hearsay: any member can make
        up a name and a key for them.
        """
        before = self._changes
        self._look_at_config()
        summary = self._node.revocations.summary()
        if summary != self._summary or now - self._looked >= _LOOK:
            self._summary, self._looked = summary, now
            known = self._node.revocations.all()
            vouched = [one.said for one in known if one.holds and one.said.by_key != one.said.key]
            self._note_revoked(
                frozenset(NodeId(one.said.node_id) for one in known if one.said.revoked),
                [NodeId(said.node_id) for said in vouched],
            )
        return self._changes != before

    def _look_at_config(self) -> None:
        config = self._node.config.section(ModelProxyConfig)
        if config is self._config:
            return
        self._config = config
        self._trusted = frozenset(config.nodes or ())
        self._publishers = frozenset(map(fold, config.publishers))
        self._listed.update(dict.fromkeys(config.nodes or ()))
        self._make_index()

    def _note_revoked(self, out: frozenset[NodeId], vouched: Iterable[NodeId]) -> None:
        fresh = [name for name in vouched if name not in self._revoked]
        if not fresh and out == self._out:
            return
        self._out = out
        self._revoked.update(dict.fromkeys(fresh))
        while len(self._revoked) > REVOKED_MOST:
            del self._revoked[next(iter(self._revoked))]
        self._make_index()

    def _make_index(self) -> None:
        self._changes += 1
        names = (self._node.id, *self._listed, *self._revoked, *self._out)
        self._alike = {name.lower(): name for name in reversed(names)}

    def claim(self, served: Iterable[ServedModel]) -> bool:
        """Note whose ids have which first parts; return whether anything is to be kept."""
        offered: dict[str, dict[NodeId, str]] = {}
        for model in served:
            part = first_part(model.id)
            if part and (key := fold(part)) not in self._publishers:
                offered.setdefault(key, {}).setdefault(model.node, part)
        before = self._claims.all()
        own = frozenset(key for key, nodes in offered.items() if self._node.id in nodes)
        changed, self._own_parts = own != self._own_parts, own
        for key, by in before.items():
            if by in self._out:
                self._claims.drop(key)
        proven = {node for nodes in offered.values() for node in nodes if self._counts(node)}
        lasting = {key for key, nodes in offered.items() if not proven.isdisjoint(nodes)}
        spare = [key for key in before if key not in lasting]
        for key, nodes in offered.items():
            self._claim(key, nodes, spare)
        kept = self._claims.all() != before
        self._changes += changed or kept
        return kept

    def _claim(self, key: str, nodes: dict[NodeId, str], spare: list[str]) -> None:
        before = self._claims.get(key)
        if before is not None and self._is_trusted(before, key):
            return
        for by in sorted(nodes, key=self.seniority):
            if self._may_claim(by, nodes[by], key, before) and self._claims.put(key, by, spare):
                return

    def _may_claim(self, by: NodeId, part: str, key: str, before: NodeId | None) -> bool:
        if self._is_trusted(by, key):
            return not self._is_sure(NodeId(part))
        if before is None:
            return self.node_of(part) is None
        return self._counts(by) and not self._counts(before)

    # --- asking

    def node_of(self, part: str) -> NodeId | None:
        """Return the node that a first part means, None for no node.

        The name of that node may differ in case from the part, which means no node then.
        """
        if not 0 < len(part) <= _PART_LIMIT:
            return None
        name, key = NodeId(part), fold(part)
        if key in self._publishers:
            return None
        if self._is_sure(name):
            return name
        by = self._claims.get(key)
        if by is not None and (self._is_trusted(by, key) or self._counts(by)):
            return None
        if self._is_hearsay(name):
            return name
        return next(iter(self._node.trust.alike(key)), None) or self._alike.get(key)

    def keeps(self, part: str, node: NodeId) -> bool:
        """Say whether a node's ids with a first part stay its own, although a node is called so.

        A person here vouched for that node, and its ids were there before the name.
        """
        key = fold(part[:_PART_LIMIT])
        by = self._claims.get(key)
        if by is None or NodeId(part) == self._node.id or NodeId(part) in self._listed:
            return False
        return self._is_trusted(by, key) and self._is_trusted(node, key)

    def is_revoked(self, name: NodeId) -> bool:
        """Say whether the node of a name was put out."""
        return name in self._out

    def seniority(self, name: NodeId) -> tuple[int, float, NodeId]:
        """Return a node's place: this node, then by the first proof, then by the first word."""
        if name == self._node.id:
            return 0, 0.0, name
        since = self._node.trust.proven_since(name)
        if since is not None:
            return 1, since, name
        entry = self._node.trust.get(name)
        return 2, math.inf if entry is None else entry.first_seen, name

    def _is_trusted(self, name: NodeId, key: str) -> bool:
        """Say whether a person here vouched for a node's ids with a first part."""
        return key in self._own_parts if name == self._node.id else name in self._trusted

    def _counts(self, name: NodeId) -> bool:
        """Say whether a claim of a node counts: it proved itself here."""
        return self._node.trust.proven_since(name) is not None

    def _is_hearsay(self, name: NodeId) -> bool:
        node = self._node
        if name in self._out or node.trust.get(name) is not None:
            return True
        return node.directory.get(name) is not None

    def _is_sure(self, name: NodeId) -> bool:
        node = self._node
        if name == node.id or name in self._listed or name in self._revoked:
            return True
        return node.trust.proven_since(name) is not None or node.trust.is_forgotten(name)


def _load(node: Node) -> _Stored:
    stored = node.state.read(STATE)
    try:
        return _Stored() if stored is None else msgspec.convert(stored, _Stored)
    except msgspec.ValidationError as error:
        raise StateError(f"{node.state.locate(STATE)} is damaged: {error}") from None
