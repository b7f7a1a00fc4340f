"""A member put out of a mesh, over real sockets."""

from __future__ import annotations

import json
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ExchangeError, ExchangeFailure
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.identity import Identity, key_text
from clawmatrix_core.members.revocation import Revocation, SignedRevocation
from clawmatrix_core.members.succession import rotate
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_mesh.members.obeying import Obedience
from clawmatrix_mesh.members.revoking import REVOCATIONS
from clawmatrix_mesh.plugin import MeshPlugin
from clawmatrix_mesh.status import mesh_lines
from tests.plugins.mesh.conftest import LIMITS, Attack, address_of
from tests.plugins.mesh.wire import Member, port_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

MALLORY = NodeId("mallory")


ALL = ("hub", "home", "lab")


def key_of(name: str) -> Identity:
    """Return the key that each node of a name has here."""
    return Identity.generate(Random(name).randbytes)


def named(*names: str) -> dict[str, str]:
    """Return the table of revokers with these names."""
    return {name: key_text(key_of(name).sign_public) for name in names}


def told(name: str, **mesh: Any) -> Config:
    mesh = {"listen": "127.0.0.1:0", "heartbeat": 0.2, "revokers": named(*ALL), **mesh}
    return Config.from_mapping({"node_id": name, "secret": SECRET, "mesh": mesh})


def make(name: str, state: MemoryState | None = None, **mesh: Any) -> Node:
    plugins = [MeshPlugin(limits=LIMITS), "relay"]
    state = state or MemoryState()
    if state.read("identity") is None:
        state.write("identity", key_of(name).to_json())
    return Node(told(name, **mesh), plugins=plugins, state=state)


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


async def waiting(node: Node) -> list[tuple[str, str]]:
    """Return what waits at a node, by node and author; the status says the same."""
    found = await ask(node, "revocations.list")
    assert found == mesh_status(node)["waiting"]
    return [(one["nodeId"], one["by"]) for one in found]


async def test_a_revocation_by_a_node_that_is_not_named_waits_everywhere_else() -> None:
    async with mesh_of_four(revokers=named("hub")) as nodes:
        hub, home, lab = (nodes[name] for name in ALL)
        answer = await ask(home, "revoke.add", node="mallory", reason="I do not like it")
        assert (answer["obey"], answer["ask"], answer["unknown"]) == ([], ["hub", "lab"], [])
        for node in (hub, lab):
            await wait_until(lambda node=node: node.revocations.waiting())  # type: ignore[misc]
            assert await waiting(node) == [("mallory", "home")]
            assert MALLORY in node.links
            assert mesh_status(node)["revoked"] == []
        assert is_rid_of(home), "at its own node it is in force"
        answer = await ask(hub, "revoke.add", node="mallory")
        assert (answer["obey"], answer["ask"]) == (["home", "lab"], [])
        await wait_until(lambda: all(is_rid_of(node) for node in (hub, lab)))
        assert await waiting(lab) == []


async def test_where_nobody_is_named_no_node_puts_out_another_for_all() -> None:
    async with mesh_of_four(revokers={}) as nodes:
        hub, _, lab = (nodes[name] for name in ALL)
        await ask(nodes["mallory"], "revoke.add", node="lab")
        await wait_until(lambda: hub.revocations.waiting())
        assert "lab" in hub.links
        async with nodes["home"].exchange("lab", "ping", {"n": 1}, complete=True) as ex:
            await ex.receive()
        assert await waiting(lab) == [("lab", "mallory")]


async def test_a_person_accepts_what_waits_and_that_outlives_a_restart() -> None:
    state = MemoryState()
    async with make("hub", revokers={}) as hub, make("home", peers=[address_of(hub)]) as home:
        async with make("lab", state, peers=[address_of(hub)], revokers={}) as lab:
            await wait_until(lambda: lab.reachable(home.id) and home.reachable(lab.id))
            await ask(home, "revoke.add", node="hub", reason="stolen")
            await ask(home, "revoke.undo", node="hub", local=True)
            await wait_until(lambda: lab.revocations.waiting())
        async with make("lab", state, peers=[address_of(hub)], revokers={}) as lab:
            assert await waiting(lab) == [("hub", "home")]
            await wait_until(lambda: "hub" in lab.links)
            answer = await ask(lab, "revocations.accept", which="hub")
            assert (answer["nodeId"], answer["verdict"]) == ("hub", "in force")
            await wait_until(lambda: "hub" not in lab.links)
            [entry] = mesh_status(lab)["revoked"]
            assert (entry["nodeId"], entry["revoked"], entry["reason"]) == ("hub", True, "stolen")
            with pytest.raises(ExchangeFailure, match="no revocation of hub waits"):
                await ask(lab, "revocations.accept", which="hub")
        async with make("lab", state, peers=[address_of(hub)], revokers={}) as lab:
            assert lab.revocations.get(hub.identity.sign_public) is not None
            await ask(lab, "revocations.reject", which=answer["id"])
            await wait_until(lambda: "hub" in lab.links)


async def test_a_person_rejects_what_waits_and_that_outlives_a_restart() -> None:
    state = MemoryState()
    async with make("hub", revokers={}) as hub, make("home", peers=[address_of(hub)]) as home:
        async with make("lab", state, peers=[address_of(hub)], revokers={}) as lab:
            await wait_until(lambda: lab.reachable(home.id))
            await ask(home, "revoke.add", node="hub")
            await ask(home, "revoke.undo", node="hub", local=True)
            await wait_until(lambda: lab.revocations.waiting())
            await ask(lab, "revocations.reject", which="hub")
        async with make("lab", state, peers=[address_of(hub)], revokers={}) as lab:
            await wait_until(lambda: "hub" in lab.links)
            assert await waiting(lab) == []
            [entry] = await ask(lab, "revocations.list", all=True)
            assert (entry["by"], entry["verdict"]) == ("home", "rejected")


async def test_a_reload_puts_the_table_in_force() -> None:
    async with mesh_of_four(revokers={}) as nodes:
        hub, home = nodes["hub"], nodes["home"]
        await ask(home, "revoke.add", node="mallory")
        await wait_until(lambda: hub.revocations.waiting())
        await hub.reload(told("hub", revokers=named("home")))
        await wait_until(lambda: is_rid_of(hub))
        assert await waiting(hub) == []
        await wait_until(lambda: obeys(home, "hub"))
        await hub.reload(told("hub", revokers={}))
        await wait_until(lambda: MALLORY in hub.links)
        assert await waiting(hub) == [("mallory", "home")]


def obeys(at: Node, name: str) -> bool:
    """Say whether a node knows that another one takes its word."""
    return name in Obedience.of(at, bytes(32)).obey


async def test_a_rotated_key_of_a_revoker_is_followed() -> None:
    state = MemoryState()
    async with make("hub", revokers=named("home")) as hub, make("x", peers=[address_of(hub)]) as x:
        async with make("home", state, peers=[address_of(hub)]):
            await wait_until(lambda: hub.trust.get(NodeId("home")) is not None)
            await wait_until(lambda: "x" in hub.links)
        rotate(state, "home", int(hub.clock.wall() * 1000))
        async with make("home", state, peers=[address_of(hub)]) as home:
            assert home.identity != key_of("home")
            await wait_until(lambda: obeys(home, "hub") and home.trust.get(x.id) is not None)
            answer = await ask(home, "revoke.add", node="x")
            assert answer["obey"] == ["hub"]
            await wait_until(lambda: "x" not in hub.links)


async def test_a_node_puts_its_own_key_out_and_nobody_lets_it_in_for_others() -> None:
    async with mesh_of_four(revokers={}) as nodes:
        others, mallory = [nodes[name] for name in ALL], nodes["mallory"]
        with pytest.raises(ExchangeFailure, match="--own puts its own key out"):
            await ask(mallory, "revoke.add", node="mallory")
        answer = await ask(mallory, "revoke.add", node="mallory", own=True)
        assert answer["obey"] == ["home", "hub", "lab"]
        await wait_until(lambda: all(is_rid_of(node) for node in others))
        with pytest.raises(ExchangeFailure, match="put its own key out"):
            await ask(nodes["hub"], "revoke.undo", node="mallory")
        await ask(nodes["hub"], "revoke.undo", node="mallory", local=True)
        await wait_until(lambda: MALLORY in nodes["hub"].links)
        assert is_rid_of(nodes["lab"])


async def test_what_waits_names_the_node_that_has_the_key_here(attack: Attack) -> None:
    async with (
        attack() as target,
        await Member.join(target.port, features=[REVOCATIONS]) as mallory,
    ):
        junk = said(mallory, target.lab, node_id="junk")
        unknown = said(mallory, target.lab, node_id="nobody", key=bytes(32))
        new = [SignedRevocation.make(one, mallory.identity).to_wire() for one in (unknown, junk)]
        await mallory.send("revocations", {"new": new})
        await wait_until(lambda: len(target.node.revocations.waiting()) == 2)
        first, second = mesh_status(target.node)["waiting"]
        assert (first["nodeId"], first["called"], first["known"]) == ("lab", "junk", True)
        assert (second["nodeId"], second["known"]) == ("nobody", False)
        with pytest.raises(ExchangeFailure, match="no revocation of junk waits"):
            await ask(target.node, "revocations.accept", which="junk")
        lines = "\n".join(mesh_lines(mesh_status(target.node), target.node.clock.wall()))
        assert 'lab (by the name "junk") was revoked by mallory' in lines
        assert "nobody, whose key is not known here, was revoked by mallory" in lines
        assert "clawmatrix revocations list" in lines


async def test_several_that_differ_are_told_apart_by_their_ids(attack: Attack) -> None:
    async with (
        attack() as target,
        await Member.join(target.port, features=[REVOCATIONS]) as mallory,
    ):
        node = target.node
        news = [said(mallory, target.lab, node_id="x", key=bytes([n]) * 32) for n in (1, 2)]
        new = [SignedRevocation.make(one, mallory.identity) for one in news]
        await mallory.send("revocations", {"new": [one.to_wire() for one in new]})
        await wait_until(lambda: len(node.revocations.waiting()) == 2)
        with pytest.raises(ExchangeFailure, match="several that differ wait for x: say"):
            await ask(node, "revocations.accept", which="x")
        answer = await ask(node, "revocations.accept", which=new[1].id)
        assert answer["fingerprint"] == news[1].fingerprint
        assert node.revocations.get(bytes([2]) * 32) == news[1]
        assert node.revocations.get(bytes([1]) * 32) is None


async def test_revocations_that_wait_are_named_in_the_log_once_in_a_while(
    attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        attack() as target,
        await Member.join(target.port, features=[REVOCATIONS]) as mallory,
    ):
        about = [said(mallory, target.lab, key=bytes([n]) * 32) for n in range(8)]
        new = [SignedRevocation.make(one, mallory.identity).to_wire() for one in about]
        await mallory.send("revocations", {"new": new})
        await wait_until(lambda: len(target.home.revocations.waiting()) == 8)
        told = [r for r in caplog.records if "says that lab was revoked" in r.getMessage()]
        assert len([r for r in told if r.levelno == logging.WARNING]) == 3, "once at each node"
        assert mesh_status(target.node)["revoked"] == []


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
        await wait_until(lambda: target.home.revocations.waiting())
        await older.send("heartbeat", {"t": 1.0})
        beats = 0
        while beats < 3:
            line, _ = await older.receive()
            assert line["type"] != "revocations"
            beats += line["type"] == "heartbeat"
        assert signed.read().key == key
