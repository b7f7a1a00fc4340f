"""The checks bite: each catches a bug that is planted, and is content without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import pytest

import clawmatrix_core.directory
import clawmatrix_mesh.neighbours
import clawmatrix_relay.routing
import clawmatrix_relay.transit
from clawmatrix_core.exchange_state import FRAME_COST, Inbox
from clawmatrix_mesh.duplicates import Facts, Verdict
from tests.simulation.scenarios import all_dial_all, ring_of_routes, survive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core.directory import NodeRecord
    from clawmatrix_core.frames import NodeId

T = TypeVar("T")


def edges_of_one_end(records: Iterable[NodeRecord]) -> dict[NodeId, dict[NodeId, float]]:
    """Believe in a link that only one of its ends still lists."""
    graph: dict[NodeId, dict[NodeId, float]] = {}
    for record in records:
        for other, latency in record.links.items():
            graph.setdefault(record.node_id, {})[other] = latency
            graph.setdefault(other, {})[record.node_id] = latency
    return graph


def keep_the_ttl(message: bytes, ttl: int) -> bytes:
    """Pass a frame on as if it had just begun its way."""
    return message


def is_older(record: NodeRecord, known: NodeRecord | None) -> bool:
    """Let the stale record win."""
    return known is None or record.age < known.age


def prefer_ones_own(old: Facts, new: Facts, **_: Any) -> Verdict:
    """Keep the link that this end dialled: so does the other end, and both links go."""
    return Verdict.KEEP if new.dialled else Verdict.REFUSE


def deliver_repeats(
    self: Inbox[T],
    seq: int,
    item: T,
    size: int,
    *,
    fin: bool,
    honest: Callable[..., list[tuple[T, int]]] = Inbox.receive,
) -> list[tuple[T, int]]:
    """Give the reader what it has had before."""
    if seq < self.expected and not self.ended:
        return [(item, size + FRAME_COST)]
    return honest(self, seq, item, size, fin=fin)


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and what catches it, with which seeds."""

    owner: object
    name: str
    bug: Callable[..., object]
    caught_by: Callable[[int], None]
    seeds: tuple[int, ...] = (1,)


def raises(scenario: Callable[[int], None], seed: int) -> bool:
    """Say whether a scenario found something wrong."""
    try:
        scenario(seed)
    except AssertionError:
        return True
    return False


PLANTS = {
    "an edge that one end lists": Plant(
        clawmatrix_relay.routing, "edges", edges_of_one_end, survive, (6, 0, 14)
    ),
    "no ttl": Plant(clawmatrix_relay.transit, "with_ttl", keep_the_ttl, ring_of_routes),
    "a stale record wins": Plant(clawmatrix_core.directory, "is_newer", is_older, survive, (6, 0)),
    "both ends close a double link": Plant(
        clawmatrix_mesh.neighbours, "choose", prefer_ones_own, all_dial_all
    ),
    "repeats are delivered": Plant(Inbox, "receive", deliver_repeats, survive, (6, 0)),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plant.owner, plant.name, plant.bug)
    assert any(raises(plant.caught_by, seed) for seed in plant.seeds)


@pytest.mark.parametrize("scenario", [survive, ring_of_routes, all_dial_all])
def test_what_catches_planted_bugs_passes_without_them(scenario: Callable[[int], None]) -> None:
    scenario(6)
