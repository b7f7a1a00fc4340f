"""What of ``[mesh]`` and ``[relay]`` changes while the node runs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from clawmatrix_core.config.config import Config, Secret
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.identity import key_text
from clawmatrix_core.members.revokers import key_word
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, wait_until
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_mesh.plugin import MeshPlugin
from tests.plugins.mesh.conftest import LIMITS, address_of, make_node
from tests.plugins.mesh.streams import StreamPlugin, reading
from tests.plugins.mesh.wire import Member, port_of

pytestmark = pytest.mark.anyio

NEW = "another secret of a mesh that exists in tests only"


def told(name: str, *, mesh: dict[str, Any] | None = None, **raw: Any) -> Config:
    table = {"listen_url": f"memory://{name}", **(mesh or {})}
    return Config.from_mapping({"node_id": name, "secret": SECRET, "mesh": table, **raw})


def peers(*names: str) -> dict[str, Any]:
    return {"peers": [f"memory://{name}" for name in names]}


async def ping(node: Node, to: str) -> None:
    async with node.exchange(to, "ping", complete=True, deadline=5) as ex:
        await ex.receive()


async def test_an_address_that_is_added_is_dialled_and_one_taken_out_is_left(
    node_factory: NodeFactory,
) -> None:
    a = node_factory("a", dials=["b"])
    async with a, node_factory("b") as b, node_factory("c"), node_factory("d", dials=["a"]):
        await wait_until(lambda: a.links.keys() == {"b", "d"})
        kept = a.links[b.id]
        await a.reload(told("a", mesh=peers("b", "c")))
        await wait_until(lambda: a.links.keys() == {"b", "c", "d"})
        assert a.links[b.id] is kept
        gone = b.links[a.id]
        await a.reload(told("a", mesh=peers("c")))
        await wait_until(lambda: a.links.keys() == {"c", "d"})
        assert kept.closing == "its address is no longer among the peers"
        assert gone.closing == f"connection closed (1000): {kept.closing}"
        await a.reload(told("a", mesh=peers("b", "c")))
        await wait_until(lambda: "b" in a.links)


async def test_an_address_that_is_taken_out_before_it_was_dialled_is_not(
    node_factory: NodeFactory,
) -> None:
    a = node_factory("a")
    async with a, node_factory("b"), node_factory("c"):
        for wanted in (["b"], [], ["c", "b"], ["c"]):
            await a.reload(told("a", mesh=peers(*wanted)))
        await wait_until(lambda: "c" in a.links)
        [section] = [one for one in a.status_sections() if one.name == "mesh"]
        assert [one["address"] for one in section.read()["dialling"]] == ["memory://c"]
        assert a.links.keys() == {"c"}


async def test_a_link_that_the_other_end_dialled_stays(node_factory: NodeFactory) -> None:
    a = node_factory("a")
    async with a, node_factory("b", dials=["a"]) as b:
        await wait_until(lambda: "b" in a.links)
        link = a.links[b.id]
        await a.reload(told("a", mesh=peers("b")))
        await a.reload(told("a"))
        assert link.closing is None
        await ping(a, "b")


@pytest.mark.both_loops
async def test_exchanges_survive_a_reload_over_links_that_stay(node_factory: NodeFactory) -> None:
    a = node_factory("a", dials=["b", "c"])
    async with a, node_factory("b", plugins=[StreamPlugin]), node_factory("c"):
        await wait_until(lambda: a.links.keys() == {"b", "c"})
        async with reading(a, "b") as stream:
            await a.reload(told("a", mesh=peers("b"), tags=["new"]))
            await stream.until(lambda: a.links.keys() == {"b"})
            await stream.to_the_end()


async def test_tags_and_addresses_are_in_the_record_at_other_nodes(
    node_factory: NodeFactory,
) -> None:
    a = node_factory("a")
    async with a, node_factory("b", dials=["a"]) as b:
        await wait_until(lambda: b.directory.get(a.id) is not None)
        mesh = {"advertise": ["memory://elsewhere"]}
        await a.reload(told("a", mesh=mesh, tags=["gpu"]))

        def record() -> tuple[object, object]:
            peer = b.directory.get(a.id)
            assert peer is not None
            return peer.record.tags, peer.record.addresses

        await wait_until(lambda: record() == (("gpu",), ("memory://elsewhere",)))


async def test_limits_of_links_and_revokers_are_taken_over(node_factory: NodeFactory) -> None:
    a = node_factory("a")
    async with a, node_factory("b", dials=["a"]) as b:
        await wait_until(lambda: "b" in a.links)
        rate = a.links[b.id].rate
        assert rate is not None
        await a.reload(
            told("a", mesh={"link_frames": 1, "revokers": {"b": key_text(b.identity.sign_public)}})
        )
        spent = [rate.spend(1e9, 100) for _ in range(5)]
        assert spent[-1] == pytest.approx(4.0)
        assert a.revocations.revokers == {"b": b.identity.sign_public}
        await wait_until(lambda: knows_revokers(b, a) == (key_word(b.identity.sign_public),))
        assert key_word(b.identity.sign_public) == b.identity.fingerprint[:19]


def knows_revokers(at: Node, of: Node) -> tuple[str, ...]:
    peer = at.directory.get(of.id)
    return () if peer is None else peer.record.revokers


async def test_another_secret_is_used_for_new_links_and_the_old_one_is_retired(
    node_factory: NodeFactory,
) -> None:
    a = node_factory("a")
    async with a, node_factory("b", dials=["a"]) as b:
        await wait_until(lambda: "b" in a.links)
        first = a.links[b.id]
        await a.reload(told("a", secret=NEW, previous_secrets=[SECRET]))
        assert first.closing is None
        await b.reload(told("b", mesh=peers("a"), secret=NEW))
        await wait_until(lambda: "b" in a.links and a.links[b.id] is not first)
        await a.reload(told("a", secret=NEW))
        assert a.keyring.secret == Secret(NEW)
        await ping(b, "a")


async def test_a_handshake_that_began_with_a_secret_now_retired_makes_no_link() -> None:
    async with make_node("hub") as hub:
        table = {"listen": "127.0.0.1:0"}
        async with await Member.shake(port_of(address_of(hub))) as member:
            await hub.reload(Config.from_mapping({"node_id": "hub", "secret": NEW, "mesh": table}))
            await member.send_hello()
            assert (await member.wire.closed()).code == CloseCode.WRONG_SECRET
        await wait_until(lambda: not hub.links)


async def test_a_secret_that_is_put_right_is_tried_at_once() -> None:
    patient = replace(LIMITS, backoff=60.0, backoff_most=60.0)
    async with make_node("hub") as hub:
        mesh = {"peers": [address_of(hub)], "listen": "127.0.0.1:0", "heartbeat": 0.5}
        raw = {"node_id": "home", "mesh": mesh}
        wrong = Config.from_mapping({**raw, "secret": NEW})
        plugins = [MeshPlugin(limits=patient), "relay"]
        async with Node(wrong, plugins=plugins, state=MemoryState()) as home:
            await wait_until(lambda: home.counters["wrong_secret"])
            await home.reload(Config.from_mapping({**raw, "secret": SECRET}))
            await wait_until(lambda: hub.id in home.links)


async def test_a_node_stops_relaying_and_does_it_again(node_factory: NodeFactory) -> None:
    hub = node_factory("hub")
    home, office = node_factory("home", dials=["hub"]), node_factory("office", dials=["hub"])
    async with hub, home, office:
        await wait_until(lambda: home.reachable(office.id))
        await hub.reload(told("hub", relay={"transit": False}))
        await wait_until(lambda: not home.reachable(office.id))
        await hub.reload(told("hub", relay={"transit": True}))
        await wait_until(lambda: home.reachable(office.id))
        await ping(home, "office")


async def test_what_one_node_may_have_relayed_is_limited_at_once(
    node_factory: NodeFactory,
) -> None:
    hub = node_factory("hub")
    home, office = node_factory("home", dials=["hub"]), node_factory("office", dials=["hub"])
    async with hub, home, office:
        await wait_until(lambda: home.reachable(office.id))
        await ping(home, "office")
        await hub.reload(told("hub", relay={"origin_bytes": 300}))
        [section] = [one for one in hub.status_sections() if one.name == "relay"]
        async with home.exchange("office", "ping", {"n": 1}) as ex:
            for _ in range(20):
                await ex.send({"fill": "x" * 1000})
            await wait_until(lambda: section.read()["dropped"])
