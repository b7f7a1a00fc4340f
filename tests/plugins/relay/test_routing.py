"""Routes out of records: by hand, and against another way to find shortest paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_relay.graph import PER_MS
from clawmatrix_relay.routing import HOP_COST
from tests.core.members.members import Member
from tests.plugins.relay.tables import graph_of, shortest_routes

if TYPE_CHECKING:
    from clawmatrix_core.members.record import NodeRecord

Links = dict[str, dict[str, float]]

NAMES = [NodeId(name) for name in "abcdef"]
MEMBERS = {name: Member(name) for name in NAMES}


def records(links: Links) -> list[NodeRecord]:
    return [
        MEMBERS[NodeId(name)].record(links={NodeId(other): rtt for other, rtt in there.items()})
        for name, there in links.items()
    ]


def routes(links: Links, own: str = "a") -> dict[str, tuple[str, float, int]]:
    neighbours = {NodeId(peer): rtt for peer, rtt in links[own].items()}
    found = shortest_routes(NodeId(own), neighbours, records(links))
    return {name: (route.next_hop, route.cost, route.hops) for name, route in found.items()}


def test_an_edge_counts_where_both_ends_list_it_and_costs_the_mean() -> None:
    links = {"a": {"b": 10.0, "c": 5.0}, "b": {"a": 20.0}, "c": {"b": 1.0}}
    graph = graph_of(NAMES[0], records(links))
    costs = {name: dict(graph.of(name)) for name in NAMES if graph.of(name)}
    assert costs == {"a": {"b": 15 * PER_MS}, "b": {"a": 15 * PER_MS}}


def test_what_only_one_end_lists_is_no_way() -> None:
    assert set(routes({"a": {"b": 1.0}, "b": {"a": 1.0, "c": 1.0}, "c": {}})) == {"b"}


def test_the_cheapest_way_wins_whatever_its_length() -> None:
    found = routes(
        {
            "a": {"b": 1.0, "d": 100.0},
            "b": {"a": 1.0, "c": 1.0},
            "c": {"b": 1.0, "d": 1.0},
            "d": {"a": 100.0, "c": 1.0},
        }
    )
    assert found["d"] == ("b", 3.0 + 3 * HOP_COST, 3)


def test_of_two_equal_ways_the_shorter_wins_and_then_the_name() -> None:
    square: Links = {
        "a": {"b": 1.0, "c": 1.0, "d": 2.0 + HOP_COST},
        "b": {"a": 1.0, "d": 1.0},
        "c": {"a": 1.0, "d": 1.0},
        "d": {"a": 2.0 + HOP_COST, "b": 1.0, "c": 1.0},
    }
    assert routes(square)["d"][0] == "d"
    square["a"]["d"] = square["d"]["a"] = 50.0
    assert routes(square)["d"][0] == "b"


def test_an_open_link_is_a_way_before_any_record_says_so() -> None:
    found = shortest_routes(NodeId("a"), {NodeId("b"): 50.0}, [])
    assert found[NodeId("b")].next_hop == "b"


def test_the_costs_are_those_of_the_records_where_they_have_them() -> None:
    links: Links = {"a": {"b": 10.0}, "b": {"a": 10.0}}
    found = shortest_routes(NodeId("a"), {NodeId("b"): 999.0}, records(links))
    assert found[NodeId("b")].cost == pytest.approx(10.0 + HOP_COST)


def test_a_closed_link_is_no_way_although_the_records_have_it() -> None:
    links: Links = {"a": {"b": 1.0}, "b": {"a": 1.0}}
    assert shortest_routes(NodeId("a"), {}, records(links)) == {}


rtts = st.floats(0.1, 500.0).map(lambda value: round(value, 1))
pairs = st.sampled_from([(a, b) for a in NAMES for b in NAMES if a < b])


@given(st.dictionaries(pairs, rtts))
def test_costs_are_those_that_another_algorithm_finds(
    given_edges: dict[tuple[NodeId, NodeId], float],
) -> None:
    links: Links = {name: {} for name in NAMES}
    for (one, other), rtt in given_edges.items():
        links[one][other] = links[other][one] = rtt
    best = {a: {b: 0.0 if a == b else float("inf") for b in NAMES} for a in NAMES}
    for (one, other), rtt in given_edges.items():
        best[one][other] = best[other][one] = rtt + HOP_COST
    for k in NAMES:  # Floyd and Warshall's
        for i in NAMES:
            for j in NAMES:
                best[i][j] = min(best[i][j], best[i][k] + best[k][j])
    for own in NAMES:
        found = routes(links, own)
        wanted = {n for n in NAMES if n != own and best[own][n] < float("inf")}
        assert set(found) == wanted
        for name in wanted:
            hop, cost, _ = found[name]
            assert cost == pytest.approx(best[own][NodeId(name)])
            # Whoever follows the next hop comes nearer: nothing circles.
            assert best[NodeId(hop)][NodeId(name)] < best[own][NodeId(name)]
