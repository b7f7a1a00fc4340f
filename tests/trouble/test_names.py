"""Names that cannot be looked up, and names whose first address is dead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import wait_for
from tests.trouble.conftest import dial, model
from tests.trouble.name_server import name_server

if TYPE_CHECKING:
    from tests.trouble.conftest import Site, TroubledNode

pytestmark = pytest.mark.slow

AAAA = frozenset({28})
EVERYTHING = frozenset({1, 28})
GONE = tuple(f"ws://gone{number}.example:19000" for number in range(6))
"""Peers with names that only the silent name server could know."""


def test_a_silent_name_server_takes_nothing_along(net: Site) -> None:
    hub, silent, leaf = net.hub(), net.machine("silent"), net.machine("leaf")
    silent.drops("udp dport 53", "tcp dport 53")
    leaf.asks(net.lan.address("silent"))
    leaf.knows({"hub.example": (net.lan.address("hub"),)})
    net.upstream(leaf)
    away = model("away", "away.example")
    peers = dial(*GONE, "ws://hub.example:19000", more=model("near") + away)
    node = net.node(leaf, peers)
    assert node.linked_within(5, "hub") < 5
    waiting = [node.asking("away") for _ in range(3)]
    for _ in range(4):
        near = node.answer("near")
        assert near.whole, near
        assert near.seconds < 3
    assert hub.answer("leaf/near").whole
    for one in waiting:
        assert one.result().code == "upstream_timeout"
        assert "no name server answered" in one.result().words
    wait_for(
        lambda: node.finding("mesh.peer", "gone3.example")["status"] == "problem",
        "doctor says that the name is not found",
        20,
    )
    found = node.finding("mesh.peer", "gone3.example")
    assert "name server" in found["detail"] + found["advice"]
    node.nothing_taken_out()
    node.stopped_within(3)
    assert "never retrieved" not in node.log


def test_a_node_that_stops_while_it_first_asks_a_silent_name_server(net: Site) -> None:
    silent, leaf = net.machine("silent"), net.machine("leaf")
    silent.drops("udp dport 53")
    leaf.asks(net.lan.address("silent"))
    net.node(leaf, dial(*GONE)).stopped_within(3)


def test_join_and_doctor_give_a_silent_name_server_up(net: Site) -> None:
    hub, silent, leaf = net.hub(), net.machine("silent"), net.machine("leaf")
    silent.drops("udp dport 53")
    leaf.asks(net.lan.address("silent"))
    began = time.monotonic()
    joined = net.unwritten_node(leaf, "guest").cli("join", "--node-id", "guest", token_of(hub))
    assert joined.returncode == 6, joined.stderr
    assert "name server" in joined.stderr
    assert time.monotonic() - began < 20
    node = net.stopped_node(leaf, dial("ws://hub.example:19000"))
    found = node.finding("mesh.peer")
    assert "name server" in found["detail"] + found["advice"]


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_dead_first_address_is_passed_over(net: Site, family: str) -> None:
    hub, leaf = net.hub(), net.machine("leaf")
    # The one whose number is the nearest to that of the leaf is the first.
    dead, office = net.machine("dead"), net.machine("office")
    dead.drops("meta l4proto tcp")
    first = net.lan.address("dead") if family == "IPv4" else net.lan.address6("dead")
    leaf.knows({f"{n}.example": (first, net.lan.address(n)) for n in ("hub", "office")})
    assert leaf.run("getent", "ahosts", "hub.example").split()[0] == first
    net.upstream(office, "0.0.0.0")
    node = net.node(leaf, dial("ws://hub.example:19000", more=model("far", "office.example")))
    assert node.linked_within(3, "hub") < 3
    far = node.answer("far")
    assert far.whole, far
    assert far.seconds < 3
    began = time.monotonic()
    joined = net.unwritten_node(leaf, "guest").cli("join", "--node-id", "guest", token_of(hub))
    assert joined.returncode == 0, joined.stderr
    assert time.monotonic() - began < 8
    node.nothing_taken_out()


def token_of(hub: TroubledNode) -> str:
    invited = hub.cli("invite", "--address", "ws://hub.example:19000")
    assert invited.returncode == 0, invited.stderr
    return invited.stdout.strip()


def test_queries_for_ipv6_that_get_no_answer(net: Site) -> None:
    """Some name servers drop such queries; the answer with the IPv4 addresses came at once."""
    net.hub()
    server, leaf, office = net.machine("server"), net.machine("leaf"), net.machine("office")
    net.upstream(office, "0.0.0.0")
    leaf.asks(net.lan.address("server"))
    names = {f"{name}.example": net.lan.address(name) for name in ("hub", "office")}
    with name_server(server, names) as answering:
        answering.silent = AAAA
        node = net.node(leaf, dial("ws://hub.example:19000", more=model("far", "office.example")))
        far = node.answer("far")
        assert far.whole, far
        assert far.seconds < 3
        assert node.linked_within(5, "hub") < 5


def test_a_name_server_that_falls_silent_and_comes_back(net: Site) -> None:
    hub = net.hub()
    server, leaf, office = net.machine("server"), net.machine("leaf"), net.machine("office")
    net.upstream(office, "0.0.0.0")
    leaf.asks(net.lan.address("server"))
    names = {f"{name}.example": net.lan.address(name) for name in ("hub", "office")}
    with name_server(server, names) as answering:
        node = net.node(leaf, dial("ws://hub.example:19000", more=model("far", "office.example")))
        node.linked_within(5, "hub")
        assert node.answer("far").whole
        answering.silent = EVERYTHING
        hub.end()
        during = node.answer("far")
        assert during.whole or during.code == "upstream_timeout", during
        hub.start()
        wait_for(lambda: "name server" in node.finding("mesh.peer")["detail"], "it is seen", 60)
        answering.silent = frozenset()
        node.linked_within(40, "hub")
        assert node.answer("far").whole
        node.nothing_taken_out()
