"""The models of other nodes: those in their records, and the lists that these name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from clawmatrix_core import Bound, ExchangeError, ExchangeFailure, Lane
from clawmatrix_core.spi import Bell
from clawmatrix_model_proxy.asking.catalog import read_offers
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.offer import LIST_LIMIT, MODELS_MOST
from clawmatrix_model_proxy.wire import MODEL_LIST, read_body

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_core import Node, NodeId, NodeRecord, Peer
    from clawmatrix_model_proxy.asking.catalog import ServedModel

__all__ = ["ALL_LISTS_MOST", "ModelLists"]

ALL_LISTS_MOST = Bound(
    30_000,
    "models in the lists of all other nodes together",
    fed_by="a member",
    when_full="a list that goes beyond is left out and counts against its node",
)
_AT_A_TIME = 4
"""Lists that are fetched at the same time."""
_DEADLINE = 30.0
"""Seconds in which a list has to come."""
_GAP, _GAP_MOST = 5.0, 300.0
"""Seconds between two fetches from one node; they double while fetching fails."""
_LOOK = 2.0
"""Seconds between two looks whether a node with a list can be reached by now."""
_SLICE = 1000
"""Entries of a list that are read in a row."""


class _Known(msgspec.Struct):
    """What is known of the models of one node.

    Attributes:
        offers: what stood in its record when that was read last.
        in_record: the models there.
        digest: the digest of the list that was fetched, None where none was.
        listed: the models in that list.
        not_before: the clock's time of the next fetch at the earliest.
        failures: fetches in a row that failed.
    """

    offers: object = None
    in_record: tuple[ServedModel, ...] = ()
    digest: str | None = None
    listed: tuple[ServedModel, ...] = ()
    not_before: float = float("-inf")
    failures: int = 0


class ModelLists:
    """Knows which models other nodes offer, and fetches their lists.

    A list is asked for once its record names it. While a new one is on its way, the one before
    it counts.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[NodeId, _Known] = {}
        self._wanted: dict[NodeId, str] = {}
        self._fetching: set[NodeId] = set()
        self._changed = Bell()
        self._log = node.logger("model-proxy")

    def __repr__(self) -> str:
        return f"<ModelLists of {len(self._known)} nodes, {len(self._wanted)} wanted>"

    def of(self, peer: Peer) -> tuple[ServedModel, ...]:
        """Return the models of a node; the same object for as long as they are the same."""
        known = self._known.setdefault(peer.node_id, _Known())
        offers = peer.record.offers.get("models")
        if known.offers != offers:
            known.in_record = tuple(read_offers(peer.node_id, offers))
        known.offers = offers
        if _named_list(peer.record) is None or known.digest is None:
            return known.in_record
        return known.listed

    def note(self, peer: Peer) -> None:
        """Note a record that is new, and fetch the list that it names."""
        named = _named_list(peer.record)
        known = self._known.get(peer.node_id)
        if named is None:
            self._wanted.pop(peer.node_id, None)
            if known is not None:
                known.digest, known.listed = None, ()
        elif known is None or known.digest != named:
            self._wanted[peer.node_id] = named
            self._changed.ring()

    def keep_only(self, names: Collection[NodeId]) -> None:
        """Forget the nodes that are not among these."""
        for table in (self._known, self._wanted):
            for name in table.keys() - names:
                del table[name]

    async def run(self) -> None:
        """Fetch lists that are wanted, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                for name in self._due():
                    self._fetching.add(name)
                    tasks.start_soon(self._fetch, name, self._wanted[name])
                with anyio.move_on_after(_LOOK if self._wanted else None):
                    await self._changed.wait()

    def _due(self) -> list[NodeId]:
        now = self._node.clock.now()
        free = _AT_A_TIME - len(self._fetching)
        due = [
            name
            for name in self._wanted
            if name not in self._fetching
            and self._known.setdefault(name, _Known()).not_before <= now
            and self._node.reachable(name)
        ]
        return due[: max(free, 0)]

    async def _fetch(self, name: NodeId, digest: str) -> None:
        known = self._known.setdefault(name, _Known())
        try:
            models = await self._ask(name, digest)
        except ExchangeError as error:
            known.failures += 1
            if known.failures == 1:
                self._log.warning("the list of models of %s did not come: %s", name, error)
        else:
            known.failures, known.digest, known.listed = 0, digest, models
            if self._wanted.get(name) == digest:
                del self._wanted[name]
        finally:
            gap = min(_GAP * 2 ** min(known.failures, 8), _GAP_MOST)
            known.not_before = self._node.clock.now() + gap
            self._fetching.discard(name)
            self._changed.ring()

    async def _ask(self, name: NodeId, digest: str) -> tuple[ServedModel, ...]:
        """Return the models of a node's list. Raises: ExchangeError."""
        request = {"digest": digest}
        async with self._node.exchange(
            name, MODEL_LIST, request, complete=True, deadline=_DEADLINE, lane=Lane.BULK
        ) as exchange:
            text = await read_body(exchange, LIST_LIMIT, "too_large", "a list of models")
        if hashlib.sha256(text).hexdigest() != digest:
            self._report(name, "a list of models that its record does not name")
        models = await _read(name, text)
        others = sum(len(one.listed) for key, one in self._known.items() if key != name)
        if len(models) > MODELS_MOST or len(models) + others > ALL_LISTS_MOST:
            self._report(name, f"a list of {len(models)} models, for which there is no room")
        return models

    def _report(self, name: NodeId, what: str) -> None:
        """Count what a node sent against it. Raises: ExchangeFailure."""
        self._node.switch.report(name, "model_list", what)
        raise ExchangeFailure("bad_answer", what)


async def _read(name: NodeId, text: bytes) -> tuple[ServedModel, ...]:
    try:
        entries = decode(text)
    except NOT_JSON:
        entries = None
    if not isinstance(entries, list):
        raise ExchangeFailure("bad_answer", "a list of models that is no JSON list")
    models: list[ServedModel] = []
    for at in range(0, len(entries), _SLICE):
        models += read_offers(name, entries[at : at + _SLICE])
        await checkpoint()
    return tuple(models)


def _named_list(record: NodeRecord) -> str | None:
    """Return the digest of the list that a record names."""
    for entry in record.offers.get("model_lists", ())[:1]:
        digest = entry.get("digest")
        if isinstance(digest, str) and len(digest) == 64 and digest.isascii():
            return digest
    return None
