"""What links have to do over every transport, as checks that anybody's test suite can run.

They run real nodes with the mesh plugin; see ``clawmatrix_core.acceptance``. The one thing
in between is a hand on the connections, which makes them fail as networks do.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.acceptance.case import TransportCase, TransportCheck, timed
from clawmatrix_core.testing.acceptance.network import Network, notes_of, until
from clawmatrix_core.wire.codec import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.wire.link import Link

__all__ = ["LINK_CHECKS"]

A, B = NodeId("a"), NodeId("b")
CROSSINGS = 15
"""How often the check of crossing dials is repeated."""
_QUIET = 0.5
"""Seconds for which nothing must happen, where that is what is checked."""


@asynccontextmanager
async def _network(case: TransportCase) -> AsyncIterator[Network]:
    network = Network(case)
    try:
        yield network
    finally:
        with anyio.CancelScope(shield=True):
            await network.close()


@asynccontextmanager
async def _running(*nodes: Node) -> AsyncIterator[None]:
    """Run nodes at the same time; they start together."""
    over, started = anyio.Event(), [anyio.Event() for _ in nodes]

    async def run(node: Node, event: anyio.Event) -> None:
        async with node:
            event.set()
            await over.wait()

    async with anyio.create_task_group() as tasks:
        for node, event in zip(nodes, started, strict=True):
            tasks.start_soon(run, node, event)
        for event in started:
            await event.wait()
        try:
            yield
        finally:
            over.set()


async def _linked(one: Node, other: Node) -> tuple[Link, Link]:
    """Wait until two nodes have one link, and each the same; return its ends."""
    await until(lambda: _agree(one, other), f"one link between {one.id} and {other.id}")
    return one.links[other.id], other.links[one.id]


def _agree(one: Node, other: Node) -> bool:
    here, there = one.links.get(other.id), other.links.get(one.id)
    if here is None or there is None or here.closing or there.closing:
        return False
    return here.session.id == there.session.id


async def _ping(asking: Node, asked: Node) -> None:
    """Have something sealed go there and come back."""
    async with asking.exchange(asked.id, "ping", {"n": 1}, complete=True, deadline=5) as ex:
        answer = await ex.receive()
    assert answer == {"n": 1}, f"{asked.id} answers {answer!r}"


async def _control(on: Node, name: str, **params: Any) -> Any:
    [method] = [method for method in on.control_methods() if method.name == name]
    assert method.call is not None
    return await method.call(params)


def _status(node: Node) -> Any:
    [section] = [section for section in node.status_sections() if section.name == "mesh"]
    return section.read()


def _error(node: Node) -> str:
    """Return why a node has no link to an address it dials."""
    return " ".join(attempt["error"] or "" for attempt in _status(node)["dialling"])


@timed
async def a_handshake_opens_a_link(case: TransportCase) -> None:
    """Two nodes prove themselves, and sealed frames go either way."""
    async with _network(case) as network:
        a, b = network.node("a", listens=True), network.node("b", dials=("a",))
        async with _running(a, b):
            here, there = await _linked(a, b)
            assert (here.dialled, there.dialled) == (False, True), "who dialled is mixed up"
            await _ping(a, b)
            await _ping(b, a)
            await until(lambda: here.rtt is not None and there.rtt is not None, "round trips")


@timed
async def crossing_dials_end_with_one_link(case: TransportCase) -> None:
    """Nodes that dial each other at the same time keep one connection, the same at both ends."""
    for _ in range(CROSSINGS):
        async with _network(case) as network:
            a = network.node("a", listens=True, dials=("b",), recheck=60)
            b = network.node("b", listens=True, dials=("a",), recheck=60)
            async with _running(a, b):
                await _linked(a, b)
                await until(partial(_is_one, network), "the other connections are closed")
                here, _ = await _linked(a, b)
                await _ping(a, b)
                assert a.links[B] is here, "the link was changed once more"


def _is_one(network: Network) -> bool:
    return [len(network.open_ends(dialled=side)) for side in (True, False)] == [1, 1]


@timed
async def a_node_with_two_addresses_has_one_link(case: TransportCase) -> None:
    """A node that is dialled at two of its addresses has one link, which stays."""
    async with _network(case) as network:
        a = network.node("a", listens=True)
        b = network.node("b", dials=("a", "alias"), recheck=60)
        async with a:
            network.addresses["link://alias"] = network.addresses["link://a"]
            async with b:
                here, _ = await _linked(a, b)
                await until(lambda: _names(b) == [A, A], "who is at the second address")
                await anyio.sleep(_QUIET)
                assert a.links[B] is here, "the link did not stay"
                assert _is_one(network), "there is a second connection"
                assert len(network.dials) <= 4, f"dialled {len(network.dials)} times"


def _names(node: Node) -> list[str | None]:
    return [attempt["nodeId"] for attempt in _status(node)["dialling"]]


@timed
async def twins_are_named_and_the_first_stays(case: TransportCase) -> None:
    """Of two running nodes with one key the first keeps its link; the second is told."""
    identity = Identity.generate()
    async with _network(case) as network:
        a = network.node("a", listens=True)
        first = network.node("b", dials=("a",), identity=identity)
        second = network.node("b", dials=("a",), identity=identity)
        async with a, first:
            here, _ = await _linked(a, first)
            async with second:
                await until(lambda: "this node's key" in _error(second), "the second is told")
                await until(lambda: a.counters["twin"] >= 2, "it was refused again, later")
                assert a.links[B] is here, "the first lost its link"
                await _ping(a, first)
                dialled = len(network.dials)
                assert dialled < 8, f"the second dialled {dialled} times in a moment"


@timed
async def a_restarted_node_replaces_its_link_at_once(case: TransportCase) -> None:
    """A node that starts again is let in, although its old connection still looks open."""
    identity, state = Identity.generate(), MemoryState()
    async with _network(case) as network:
        # Nothing but the restart may end the old link: it would be given a minute to answer.
        a = network.node("a", listens=True, heartbeat=60, ping=60, handshake=90)
        async with a:
            b = network.node("b", dials=("a",), identity=identity, state=state)
            async with b:
                await _linked(a, b)
                for end in network.ends:
                    end.die()
            assert B in a.links, "the old link was to look open"
            again = network.node("b", dials=("a",), identity=identity, state=state)
            async with again:
                await _linked(a, again)
                await _ping(a, again)


@timed
async def a_half_dead_link_is_replaced(case: TransportCase) -> None:
    """Where one end of a link has lost it, the other gives it up for the new connection."""
    for loser in (True, False):
        async with _network(case) as network:
            a = network.node("a", listens=True, dials=("b",), heartbeat=60, ping=0.3)
            b = network.node("b", listens=True, dials=("a",), heartbeat=60, ping=0.3)
            async with _running(a, b):
                await _linked(a, b)
                await until(partial(_is_one, network), "the other connections are closed")
                old, _ = await _linked(a, b)
                [end] = network.open_ends(dialled=loser)
                end.lose()
                await until(partial(_is_another, a, old), "a new link")
                await _linked(a, b)
                await _ping(a, b)


def _is_another(node: Node, old: Link) -> bool:
    return node.links.get(old.peer) not in (None, old)


@timed
async def another_secret_opens_nothing(case: TransportCase) -> None:
    """A node with another secret is refused, and both ends say so."""
    async with _network(case) as network:
        a = network.node("a", listens=True)
        b = network.node("b", dials=("a",), secret="another secret, as long as it has to be")
        async with a, b:
            await until(lambda: "another secret" in _error(b), "the dialling node says why")
            await until(lambda: a.counters["wrong_secret"] >= 2, "it was refused again")
            assert not a.links, "there is a link"
            assert not b.links, "there is a link"
            assert a.directory.get(B) is None, "the stranger is in the directory"
            [refusal] = _status(a)["refused"]
            assert refusal["reason"] == "wrong_secret", f"shown as {refusal['reason']}"


@timed
async def a_name_under_another_key_waits_for_a_person(case: TransportCase) -> None:
    """A node installed again is refused, shown, and let in once a person says so."""
    async with _network(case) as network:
        a = network.node("a", listens=True)
        async with a:
            async with network.node("b", dials=("a",)) as b:
                await _linked(a, b)
            async with network.node("b", dials=("a",)) as b:
                await until(lambda: "another key" in _error(b), "the node installed again is told")
                assert B not in a.links, "it was let in"
                shown = await _control(a, "trust.list")
                [entry] = [one for one in shown["nodes"] if one["nodeId"] == B]
                [conflict] = entry["conflicts"]
                assert conflict["proven"], "it has proved its key"
                assert conflict["fingerprint"] == b.identity.fingerprint, "another key is shown"
                await _control(a, "trust.accept", node="b", fingerprint=conflict["fingerprint"])
                await _linked(a, b)
                await _ping(a, b)


@timed
async def a_node_that_dials_itself_notices(case: TransportCase) -> None:
    """A node that finds itself at an address makes no link of it."""
    async with _network(case) as network, network.node("a", listens=True, dials=("a",)) as a:
        await until(lambda: "this node itself" in _error(a), "it notices")
        assert not a.links, "it has a link to itself"


@timed
async def a_lost_link_is_dialled_again(case: TransportCase) -> None:
    """A node that lost its link dials again, at growing intervals while nobody answers."""
    async with _network(case) as network:
        b = network.node("b", dials=("a",))
        async with b:
            await until(lambda: len(network.dials) >= 6, "it keeps dialling")
            times = [time for _, time in network.dials]
            assert times[5] - times[4] > times[1] - times[0], "the back-off does not grow"
            identity, state = Identity.generate(), MemoryState()
            for _ in range(2):
                async with network.node("a", listens=True, identity=identity, state=state) as a:
                    await _linked(a, b)
                await until(lambda: not b.links, "the loss is noticed")


@timed
async def a_connection_that_stops_carrying_is_given_up(case: TransportCase) -> None:
    """A link whose connection silently dies is closed by both ends, and made again."""
    async with _network(case) as network:
        a, b = network.node("a", listens=True), network.node("b", dials=("a",))
        async with a, b:
            old, there = await _linked(a, b)
            for end in network.ends:
                end.die()
            await until(lambda: old.closing and there.closing, "both ends give it up")
            assert "no sign of life" in f"{old.closing} {there.closing}", old.closing
            assert a.counters["missed_heartbeats"] + b.counters["missed_heartbeats"], "not counted"
            await _linked(a, b)
            await _ping(a, b)


@timed
async def a_link_that_does_not_drain_is_closed(case: TransportCase) -> None:
    """A link whose other end takes nothing is closed at its limit, although it sends."""
    async with _network(case) as network:
        # Heartbeats are rare, so that they do not notice it before.
        a = network.node("a", listens=True, heartbeat=30)
        b = network.node("b", dials=("a",), heartbeat=30)
        async with a, b:
            old, _ = await _linked(a, b)
            [end] = network.open_ends(dialled=False)
            end.choke()
            a.switch.send_to_neighbour(old, "note", "", "for a link that takes nothing")
            await until(lambda: old.closing, "it is closed")
            assert a.counters["stalled"] == 1, "not counted"
            await _linked(a, b)


@timed
async def another_version_interworks_where_it_can(case: TransportCase) -> None:
    """Nodes use the highest version both speak; where there is none, both ends say so."""
    async with _network(case) as network, network.node("a", listens=True) as a:
        async with network.node("b", dials=("a",), protocol=(1, 2)) as b:
            here, there = await _linked(a, b)
            assert (here.protocol, there.protocol) == (1, 1), "they use different versions"
            assert (here.peer_protocol, there.peer_protocol) == (2, 1), "not shown"
            await _ping(b, a)
            [shown] = _status(a)["links"]
            assert shown["peerProtocol"] == 2, "the newer version is not in the status"
        async with network.node("c", dials=("a",), protocol=(2, 2)) as c:
            await until(lambda: "update the older one" in _error(c), "the newer one is told")
            await until(lambda: a.counters["version"], "the older one counts it")
            assert [one["reason"] for one in _status(a)["refused"]] == ["version"], "not shown"


@timed
async def a_stopping_node_lets_out_what_is_queued(case: TransportCase) -> None:
    """What a node has queued when it is stopped arrives."""
    count = 200
    async with _network(case) as network, network.node("a", listens=True) as a:
        b = network.node("b", dials=("a",))
        async with b:
            _, there = await _linked(a, b)
            for number in range(count):
                note = [number, "x" * 1000]
                assert b.switch.send_to_neighbour(there, "note", "", note, Lane.INTERACTIVE)
        await until(lambda: len(notes_of(a)) == count, f"all of {count} frames arrive")
        assert [number for number, _ in notes_of(a)] == list(range(count)), "out of order"


LINK_CHECKS: tuple[TransportCheck, ...] = (
    a_handshake_opens_a_link,
    crossing_dials_end_with_one_link,
    a_node_with_two_addresses_has_one_link,
    twins_are_named_and_the_first_stays,
    a_restarted_node_replaces_its_link_at_once,
    a_half_dead_link_is_replaced,
    another_secret_opens_nothing,
    a_name_under_another_key_waits_for_a_person,
    a_node_that_dials_itself_notices,
    a_lost_link_is_dialled_again,
    a_connection_that_stops_carrying_is_given_up,
    a_link_that_does_not_drain_is_closed,
    another_version_interworks_where_it_can,
    a_stopping_node_lets_out_what_is_queued,
)
"""Every check of links, each named by what it holds them to."""
