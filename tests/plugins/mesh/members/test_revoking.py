"""A member put out of a mesh, over real sockets."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ExchangeError, ExchangeFailure
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.revocation import Revocation, SignedRevocation
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_mesh.plugin import MeshPlugin
from tests.plugins.mesh.conftest import LIMITS, Attack, address_of
from tests.plugins.mesh.wire import Member, port_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

MALLORY = NodeId("mallory")


def make(name: str, state: MemoryState | None = None, **mesh: Any) -> Node:
    mesh = {"listen": "127.0.0.1:0", "heartbeat": 0.2, **mesh}
    told = {"node_id": name, "secret": SECRET, "mesh": mesh}
    plugins = [MeshPlugin(limits=LIMITS), "relay"]
    return Node(Config.from_mapping(told), plugins=plugins, state=state or MemoryState())


@asynccontextmanager
async def mesh_of_four(**mesh: Any) -> AsyncIterator[dict[str, Node]]:
    """Run hub, and home, lab and mallory, who dial it; lab and mallory have a link too."""
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(make("hub", **mesh))
        nodes = {"hub": hub}
        for name in ("home", "lab", "mallory"):
            peers = [address_of(hub)]
            if name == "mallory":
                peers.append(address_of(nodes["lab"]))
            node = await stack.enter_async_context(make(name, peers=peers, **mesh))
            nodes[name] = node
        await wait_until(lambda: all(len(node.directory) == 4 for node in nodes.values()))
        await wait_until(
            lambda: all(a.reachable(b.id) for a in nodes.values() for b in nodes.values())
        )
        yield nodes


async def ask(at: Node, method: str, **params: Any) -> Any:
    [found] = [one for one in at.control_methods() if one.name == method]
    assert found.call is not None
    return await found.call(params)


def mesh_status(node: Node) -> Any:
    [section] = [one for one in node.status_sections() if one.name == "mesh"]
    return section.read()


def is_rid_of(node: Node) -> bool:
    return MALLORY not in node.links and node.directory.get(MALLORY) is None


async def test_a_revoked_node_loses_its_links_and_sessions_everywhere() -> None:
    async with mesh_of_four() as nodes:
        mallory, others = nodes["mallory"], [nodes[name] for name in ("hub", "home", "lab")]
        home = nodes["home"]
        async with mallory.exchange("home", "ping", {"n": 1}, complete=True) as ex:
            await ex.receive()
        assert home.sessions.sending(MALLORY) is not None
        await ask(home, "revoke.add", node="mallory", reason="its laptop is gone")
        await wait_until(lambda: all(is_rid_of(node) for node in others))
        assert all(node.sessions.sending(MALLORY) is None for node in others)
        await wait_until(lambda: not mallory.links)
        with pytest.raises(ExchangeError):
            async with mallory.exchange("home", "ping", complete=True, deadline=0.5) as ex:
                await ex.receive()
        for node in others:
            [entry] = mesh_status(node)["revoked"]
            assert (entry["nodeId"], entry["by"], entry["revoked"]) == ("mallory", "home", True)
            assert entry["reason"] == "its laptop is gone"
            assert (await ask(node, "trust.list"))["revoked"] == [entry]
        await wait_until(lambda: nodes["hub"].counters["revoked"] >= 2)
        [refusal] = [r for r in mesh_status(nodes["hub"])["refused"] if r["reason"] == "revoked"]
        assert "mallory was revoked by home on " in refusal["message"]
        told = [attempt["error"] for attempt in mesh_status(mallory)["dialling"]]
        assert all("it was revoked" in (error or "") for error in told)
        async with home.exchange("lab", "ping", {"n": 1}, complete=True) as ex:
            await ex.receive()


async def test_a_revoked_node_is_let_in_again_by_a_newer_word() -> None:
    async with mesh_of_four() as nodes:
        mallory, others = nodes["mallory"], [nodes[name] for name in ("hub", "home", "lab")]
        await ask(nodes["home"], "revoke.add", node="mallory")
        await wait_until(lambda: all(is_rid_of(node) for node in others))
        await ask(nodes["lab"], "revoke.undo", node="mallory")
        await wait_until(lambda: all(node.reachable(MALLORY) for node in others))
        async with mallory.exchange("home", "ping", {"n": 1}, complete=True) as ex:
            await ex.receive()
        with pytest.raises(ExchangeFailure, match="mallory is not revoked here"):
            await ask(nodes["hub"], "revoke.undo", node="mallory")


async def test_a_person_can_undo_it_at_one_node() -> None:
    async with mesh_of_four() as nodes:
        others = [nodes[name] for name in ("hub", "home", "lab")]
        await ask(nodes["home"], "revoke.add", node="mallory")
        await wait_until(lambda: all(is_rid_of(node) for node in others))
        await ask(nodes["hub"], "revoke.undo", node="mallory", local=True)
        await wait_until(lambda: MALLORY in nodes["hub"].links)
        assert is_rid_of(nodes["lab"])
        [entry] = mesh_status(nodes["hub"])["revoked"]
        assert entry["undoneHere"]
        assert not entry["revoked"]


async def test_a_node_that_was_away_is_told_and_keeps_it() -> None:
    async with make("hub") as hub:
        mallory = Identity.generate()
        state = MemoryState()
        async with await Member.join(port_of(address_of(hub)), "mallory", identity=mallory):
            async with make("home", state, peers=[address_of(hub)]) as home:
                await wait_until(lambda: home.trust.get(MALLORY) is not None)
            await ask(hub, "revoke.add", node="mallory")
        async with make("home", state, peers=[address_of(hub)]) as home:
            await wait_until(lambda: home.revocations.get(mallory.sign_public) is not None)
        async with make("home", state) as home:
            assert home.revocations.get(mallory.sign_public) is not None
            async with await Member.shake(
                port_of(address_of(home)), "mallory", identity=mallory
            ) as member:
                await member.send_hello()
                assert (await member.wire.closed()).code == 4009


async def test_a_lost_revocation_is_made_good_by_the_heartbeat() -> None:
    async with make("hub") as hub, make("home", peers=[address_of(hub)]) as home:
        await wait_until(lambda: "home" in hub.links and "hub" in home.links)
        key = Identity.generate().sign_public
        hub.revocations.make("mallory", key)  # and nobody is told
        await wait_until(lambda: home.revocations.get(key) is not None)


async def test_only_named_revokers_put_a_node_out() -> None:
    async with mesh_of_four(revokers=["hub"]) as nodes:
        with pytest.raises(ExchangeFailure, match="none of its own"):
            await ask(nodes["home"], "revoke.add", node="mallory")
        key = nodes["lab"].identity.sign_public
        nodes["home"].revocations.make("lab", key)  # as one with another configuration would
        await wait_until(lambda: nodes["hub"].counters["unauthorized_revocation"] >= 1)
        assert nodes["hub"].revocations.get(key) is None
        assert "lab" in nodes["hub"].links
        await ask(nodes["hub"], "revoke.add", node="mallory")
        await wait_until(lambda: all(is_rid_of(nodes[name]) for name in ("hub", "home", "lab")))


async def test_what_cannot_be_revoked_is_named() -> None:
    async with make("hub") as hub:
        hub.trust.check(NodeId("x"), bytes(32), proven=True, now=0.0)
        for params, message in (
            ({"node": "hub"}, "is this node"),
            ({"node": "nobody"}, "no key is known"),
            ({}, "node is missing"),
            ({"node": "x", "reason": "y" * 201}, "at most 200"),
        ):
            with pytest.raises(ExchangeFailure, match=message):
                await ask(hub, "revoke.add", **params)


def said(author: Member, whom: Node, **changes: Any) -> Revocation:
    fields: dict[str, Any] = {
        "node_id": whom.id,
        "key": whom.identity.sign_public,
        "by": author.name,
        "by_key": author.identity.sign_public,
        "at": int(whom.clock.wall() * 1000),
    }
    return Revocation(**{**fields, **changes})


async def test_forged_and_malformed_revocations_put_nobody_out(attack: Attack) -> None:
    async with attack() as target, await Member.join(target.port) as mallory:
        true = said(mallory, target.lab)
        as_home = said(mallory, target.lab, by="home")
        forged = SignedRevocation(json.dumps(json.loads("{}")), "x")
        for reason, new in (
            ("forged_revocation", [SignedRevocation.make(true, Identity.generate()).to_wire()]),
            (
                "unauthorized_revocation",
                [SignedRevocation.make(as_home, mallory.identity).to_wire()],
            ),
            ("bad_revocation", [forged.to_wire(), 1, None, {}]),
        ):
            await mallory.send("revocations", {"new": new})
            await target.counted(reason, len(new))
        wrong: tuple[Any, ...] = (None, [], {}, {"new": 1}, {"have": {}}, "x")
        for payload in wrong:
            before = target.node.counters["bad_revocation"]
            await mallory.send("revocations", payload)
            await target.counted("bad_revocation", before + 1)
        assert target.node.revocations.all() == []


async def test_a_node_of_an_older_version_is_told_nothing(attack: Attack) -> None:
    async with attack(heartbeat=0.5) as target, await Member.join(target.port) as older:
        key = Identity.generate().sign_public
        signed = target.node.revocations.make("somebody", key)
        await wait_until(lambda: target.home.revocations.get(key) is not None)
        await older.send("heartbeat", {"t": 1.0})
        beats = 0
        while beats < 3:
            line, _ = await older.receive()
            assert line["type"] != "revocations"
            beats += line["type"] == "heartbeat"
        assert signed.read().key == key
