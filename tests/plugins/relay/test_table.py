"""A table of routes that is kept by what changed: equal to the whole, and no more work than due."""

from __future__ import annotations

from collections import Counter, deque
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.wire.routes import Routes, moved
from clawmatrix_relay import graph, shortest
from clawmatrix_relay.routing import RouteTable
from tests.core.members.members import Member
from tests.plugins.relay.full import all_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core.members.record import NodeRecord

OWN = NodeId("n0")
TEMPLATE = Member("any").record()
Links = dict[NodeId, dict[NodeId, float]]


def names(count: int) -> list[NodeId]:
    return [NodeId(f"n{n}") for n in range(count)]


def record(name: NodeId, links: dict[NodeId, float], *, transit: bool = True) -> NodeRecord:
    """Return a record; who signed it is of no interest here."""
    return type(TEMPLATE)(
        name, TEMPLATE.sign_key, TEMPLATE.channel_key, 1, 1, "x", links=links, transit=transit
    )


class Mesh:
    """Records, open links, and a table that is told of each change."""

    def __init__(self) -> None:
        self.records: dict[NodeId, NodeRecord] = {}
        self.neighbours: dict[NodeId, float] = {}
        self.table = RouteTable(OWN)

    def put(self, name: NodeId, links: Mapping[NodeId, float], *, transit: bool = True) -> None:
        self.records[name] = record(name, dict(links), transit=transit)
        self.table.note_record(name, self.records[name])

    def both(self, one: NodeId, other: NodeId, rtt: float | None) -> None:
        """Have two nodes list each other, or no more."""
        for name, there in ((one, other), (other, one)):
            links = {n: told for n, told in self.links_of(name).items() if n != there}
            if rtt is not None:
                links[there] = rtt
            known = self.records.get(name)
            self.put(name, links, transit=known is None or known.transit)

    def links_of(self, name: NodeId) -> Mapping[NodeId, float]:
        return self.records[name].links if name in self.records else {}

    def drop(self, name: NodeId) -> None:
        if self.records.pop(name, None) is not None:
            self.table.note_record(name, None)

    def link(self, peer: NodeId, rtt: float | None) -> None:
        self.neighbours.pop(peer, None)
        if rtt is not None:
            self.neighbours[peer] = rtt
        self.table.note_neighbours(self.neighbours)

    def settle(self, most: int = 1_000_000) -> Routes:
        while not self.table.work(most):
            pass
        return self.table.routes()

    def work_of(self, change: Callable[[], None]) -> int:
        """Return how many links were looked at for one change."""
        self.settle()
        before = self.table.looked
        change()
        self.settle()
        return self.table.looked - before

    def wanted(self) -> dict[NodeId, object]:
        return dict(all_routes(OWN, self.neighbours, self.records))


FEW = names(7)
RTTS = (0.0, 1.0, 1.5, 2.0, 7.25)  # few, so that many ways cost the same


def some_change(mesh: Mesh, random: Random) -> None:
    """Change a link, a record or a neighbour."""
    one, other, rtt = random.choice(FEW), random.choice(FEW), random.choice(RTTS)
    kind = random.randrange(10)
    if kind < 6:
        mesh.both(one, other, rtt if kind < 4 else None)
    elif kind == 6:
        mesh.put(one, {n: random.choice(RTTS) for n in FEW if random.random() < 0.5})
    elif kind == 7:
        mesh.put(one, mesh.links_of(one), transit=random.random() < 0.5)
    elif kind == 8:
        mesh.drop(one)
    else:
        mesh.link(random.choice(FEW[1:]), random.choice((None, *RTTS)))


def play(seed: int) -> None:
    """Make changes; hold the table against the whole computation now and then."""
    random, mesh, before = Random(seed), Mesh(), Routes({})
    mesh.link(FEW[1], 1.0)
    for _ in range(40):
        some_change(mesh, random)
        if random.random() < 0.4 and mesh.table.work(random.randint(1, 12)):
            found = mesh.table.routes()
            assert found == mesh.wanted()
            changed = {n for n in {*before, *found} if _hop(before, n) != _hop(found, n)}
            assert moved(before, found) == changed
            before = found
        elif random.random() < 0.1:
            before = mesh.table.routes()
            hops = {route.next_hop for route in before.values()}
            assert hops <= mesh.neighbours.keys() <= before.keys() or mesh.table.done
    assert mesh.settle() == mesh.wanted()


def _hop(routes: Mapping[NodeId, object], name: NodeId) -> object:
    return getattr(routes.get(name), "next_hop", None)


@given(st.integers(0, 2**32))
def test_after_any_changes_the_routes_are_those_of_the_whole_computation(seed: int) -> None:
    play(seed)


def _keep_the_subtree(self: shortest.ShortestPaths, node: NodeId) -> None:
    """Tear off a node, but nothing that hung on it."""
    if self.labels.pop(node, None) is not None:
        self.changed.add(node)
        self._torn.append(node)


def _forget_the_name(_: shortest.ShortestPaths, label: shortest.Label, node: NodeId) -> bool:
    """Let the way that was found first win among equal ones."""
    known = _.labels.get(node)
    return known is None or label[:2] < known[:2]


@pytest.mark.parametrize(
    ("owner", "what", "bug"),
    [
        (shortest.ShortestPaths, "_tear", _keep_the_subtree),
        (shortest.ShortestPaths, "_is_better", _forget_the_name),
        (shortest.ShortestPaths, "node_opened", lambda *_: None),
        (shortest.ShortestPaths, "node_closed", lambda *_: None),
        (graph, "cost", lambda there, _: None if there is None else round(there * graph.PER_MS)),
    ],
    ids=["subtree", "names", "opened", "closed", "cost"],
)
def test_a_bug_in_keeping_them_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: object, what: str, bug: object
) -> None:
    monkeypatch.setattr(owner, what, bug)
    with pytest.raises((AssertionError, KeyError)):
        deque(map(play, range(2000)), maxlen=0)


# --- the work


def tree(count: int, seed: int = 1) -> Mesh:
    """Return a mesh of about three links a node, with all in reach."""
    mesh, random = Mesh(), Random(seed)
    links: Links = {name: {} for name in names(count)}
    everybody = names(count)
    for place, name in enumerate(everybody[1:], 1):
        for other in {everybody[place // 3], random.choice(everybody[:place])} - {name}:
            links[name][other] = links[other][name] = float(random.randint(1, 60))
    for name, there in links.items():
        mesh.put(name, there)
    for peer, rtt in links[OWN].items():
        mesh.link(peer, rtt)
    return mesh


LITTLE = 120
"""Steps for one leaf, whatever the order of sets: up to 76 were seen, for any number of nodes."""


@pytest.mark.parametrize("count", [40, 400, 4000])
def test_the_work_of_a_change_is_that_of_what_hangs_on_it(count: int) -> None:
    mesh = tree(count)
    assert len(mesh.settle()) == count - 1
    leaf = NodeId(f"n{count - 1}")
    for rtt in (80.0, 3.0, 90.0):
        there = dict.fromkeys(mesh.records[leaf].links, rtt)
        assert mesh.work_of(lambda there=there: mesh.put(leaf, there)) < LITTLE  # type: ignore[misc]
    assert mesh.work_of(lambda: mesh.drop(leaf)) < LITTLE
    assert mesh.settle() == mesh.wanted()


@pytest.mark.parametrize("count", [20, 200, 2000])
def test_a_hub_of_many_spokes_hears_of_one_more_in_little_work(count: int) -> None:
    mesh, hub = Mesh(), NodeId("hub")
    spokes = names(count)
    for name in spokes:
        mesh.put(name, {hub: 1.0})
    mesh.put(hub, dict.fromkeys(spokes, 1.0))
    mesh.link(hub, 1.0)
    assert len(mesh.settle()) == count
    more = NodeId("one-more")
    mesh.put(more, {hub: 2.0})
    grown = dict(mesh.records[hub].links) | {more: 2.0}
    assert mesh.work_of(lambda: mesh.put(hub, grown)) < 30 + count / 4  # its record is compared
    assert mesh.settle()[more].hops == 2


@pytest.mark.parametrize("count", [12, 120, 360])
def test_where_all_list_each_other_one_record_is_no_work_for_all_links(count: int) -> None:
    mesh = Mesh()
    for name in names(count):
        mesh.put(name, dict.fromkeys(set(names(count)) - {name}, 5.0))
    for peer in names(count)[1:6]:
        mesh.link(peer, 5.0)
    assert len(mesh.settle()) == count - 1
    last = NodeId(f"n{count - 1}")
    dearer = dict.fromkeys(mesh.records[last].links, 9.0)
    assert mesh.work_of(lambda: mesh.put(last, dearer)) < 8 * count + 30
    assert mesh.settle() == mesh.wanted()


def test_long_work_is_done_in_parts_and_the_earlier_routes_stand_meanwhile() -> None:
    mesh = tree(300)
    before = mesh.settle()
    by_hop = Counter(route.next_hop for route in before.values())
    gone = by_hop.most_common(1)[0][0]
    mesh.link(gone, None)
    parts = 0
    while not mesh.table.work(20):
        parts += 1
        meanwhile = mesh.table.routes()
        new = {name: route for name, route in meanwhile.items() if route != before[name]}
        assert new.keys() <= mesh.neighbours.keys()
        assert gone not in {route.next_hop for route in meanwhile.values()}
    assert parts > 5
    assert mesh.table.routes() == mesh.wanted()


def test_changes_that_never_end_do_not_keep_the_work_from_an_end() -> None:
    mesh = tree(100)
    given, turns = mesh.settle(), 0
    for turn in range(3000):
        mesh.put(NodeId(f"n{turn % 99 + 1}"), {OWN: float(turn % 7)})
        mesh.table.work(5)
        if mesh.table.routes() is not given:
            given, turns = mesh.table.routes(), turns + 1
    assert turns > 3


def test_routes_say_by_what_they_differ() -> None:
    mesh = Mesh()
    mesh.link(NodeId("n1"), 1.0)
    first = mesh.settle()
    mesh.link(NodeId("n2"), 1.0)
    second = mesh.settle()
    assert second.follows(first)
    assert moved(first, second) == {"n2"}
    assert moved(first, dict(second)) == {"n2"}
    assert moved(second, second) == frozenset()
    assert not first.follows(second)
