"""What ``clawmatrix doctor`` finds at a node that runs, each fault made for real."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core import NodeId
from clawmatrix_core.base.clock import Clock
from clawmatrix_core.config.config import Secret
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until
from clawmatrix_mesh.checks.advice import RECENT
from clawmatrix_mesh.checks.clocks import look_at_clocks
from clawmatrix_mesh.checks.live import look_at_flaps, look_at_refused
from clawmatrix_mesh.links.admission import RefusedConnection
from clawmatrix_mesh.links.flapping import OFTEN, SILENCE, Flaps
from tests.plugins.mesh.conftest import address_of, make_node

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.loading.contributions import Finding

pytestmark = pytest.mark.anyio

OTHER = "another secret of a mesh that exists in tests only"


async def found(node: Node, name: str) -> list[Finding]:
    return [finding for finding in await run_checks(node.checks()) if finding.name == name]


async def wrong(node: Node, name: str, status: str = "problem") -> tuple[str, str]:
    """Return the detail and the advice of what is wrong, once something is."""
    while True:
        for one in await found(node, name):
            if one.status == status:
                return one.detail, str(one.advice)
        await anyio.sleep(0.005)


async def test_a_mesh_with_nothing_wrong(node_factory: NodeFactory) -> None:
    a = node_factory("a", dials=["b"])
    async with a, node_factory("b"):
        await wait_until(lambda: "b" in a.links and a.links[next(iter(a.links))].ahead is not None)
        for name, detail in {
            "mesh.listen": "listens at memory://a",
            "mesh.peer": "memory://b: linked to b",
            "mesh.clock": "within 0.1 s of the neighbours'",
            "mesh.keys": "every name has one key",
        }.items():
            [finding] = await found(a, name)
            assert (finding.status, finding.detail) == ("ok", detail)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (f"connection closed (4002): {SILENCE} for 12 s", "packets vanish on the way"),
        ("connection closed: reset by the other end", "look at the log of both nodes"),
    ],
)
def test_a_link_that_falls_silent_again_and_again_has_advice_of_its_own(
    reason: str, advice: str
) -> None:
    flaps = Flaps()
    for _ in range(OFTEN):
        flaps.note(NodeId("office"), reason, 0.0)
    [finding] = look_at_flaps(flaps.latest(1.0))
    assert reason in finding.detail
    assert str(finding.advice).startswith(advice)


async def test_a_node_without_peers_and_listener_has_nothing_to_look_at() -> None:
    async with make_node("a", listen=None) as a:
        assert [one.status for one in await found(a, "mesh.listen")] == ["skipped"]
        assert [one.status for one in await found(a, "mesh.peer")] == ["skipped"]


async def test_another_secret_is_told_at_both_ends() -> None:
    async with make_node("hub") as hub:
        stranger = make_node("home", peers=[address_of(hub)])
        stranger.keyring.put(Secret(OTHER))
        async with stranger:
            detail, advice = await wrong(stranger, "mesh.peer")
            assert detail.endswith("has another secret than this node")
            assert "clawmatrix secret use" in advice
            detail, _ = await wrong(hub, "mesh.refused")
            assert "does not have this mesh's secret" in detail


async def test_a_peer_that_is_not_there_is_told(node_factory: NodeFactory) -> None:
    async with node_factory("a", dials=["nobody"]) as a:
        detail, advice = await wrong(a, "mesh.peer")
    assert "connection refused by memory://nobody" in detail
    assert "start the node there" in advice


@pytest.mark.parametrize(
    ("off", "status"), [(7.0, "warning"), (-7.0, "warning"), (3600.0, "problem")]
)
async def test_a_clock_that_is_off_is_told_with_how_much_and_whose(
    node_factory: NodeFactory, off: float, status: str
) -> None:
    a = node_factory("a", dials=["b", "c"])
    b = node_factory("b", clock=Clock(wall=lambda: time.time() + off))
    async with a, b, node_factory("c"):
        detail, _ = await wrong(a, "mesh.clock", status)
    way = "ahead of" if off > 0 else "behind"
    assert detail == f"the clock of b is {abs(off):.0f} s {way} this node's"


def test_a_node_that_all_others_differ_from_has_the_wrong_clock_itself() -> None:
    found = list(look_at_clocks({"b": 300.0, "c": 301.5}))
    assert [one.detail for one in found] == [
        "the clock of b is 300 s ahead of this node's",
        "the clock of c is 302 s ahead of this node's",
    ]
    assert all("this machine's clock" in str(one.advice) for one in found)
    [two, _] = look_at_clocks({"b": 300.0, "c": -300.0})
    assert "both clocks" in str(two.advice)
    [none] = look_at_clocks({})
    assert none.status == "skipped"


async def test_a_name_with_two_keys_is_told(node_factory: NodeFactory) -> None:
    async with node_factory("a") as a:
        async with node_factory("b", dials=["a"]):
            await wait_until(lambda: "b" in a.links)
        async with node_factory("b", dials=["a"]) as again:
            detail, advice = await wrong(a, "mesh.keys")
            assert "another key was shown as b" in detail
            short = again.identity.fingerprint
            assert f"clawmatrix trust accept b {short}" in advice
            detail, _ = await wrong(again, "mesh.peer")
            assert "knows another key under this node's name" in detail


async def test_two_running_nodes_with_one_key_are_told(node_factory: NodeFactory) -> None:
    identity = Identity.generate(lambda n: b"7" * n)
    one = node_factory("b", dials=["a"], identity=identity)
    async with node_factory("a") as a, one:
        await wait_until(lambda: "b" in a.links)
        config = {"mesh": {"listen_url": "memory://copy", "peers": ["memory://a"]}}
        async with node_factory("b", identity=identity, config=config) as copy:
            detail, advice = await wrong(copy, "mesh.peer")
            assert "copy of its state folder" in detail
            assert "a state folder of its own" in advice
            assert "uses this node's key" in (await wrong(copy, "mesh.keys"))[0]


async def test_a_node_that_was_revoked_is_told(node_factory: NodeFactory) -> None:
    a = node_factory("a", dials=["b"])
    async with a, node_factory("b") as b:
        await wait_until(lambda: "b" in a.links)
        a.revocations.name_revokers({"b": b.identity.sign_public})
        said = b.revocations.make("a", a.identity.sign_public, reason="sold")
        assert a.revocations.accept(said)
        detail, advice = await wrong(a, "mesh.keys")
        if (link := a.links.get(b.id)) is not None:  # b may have closed it by now
            link.close("for the test")
        refused, _ = await wrong(a, "mesh.peer")
    assert "refuses this node's key: it was revoked" in refused
    assert detail.startswith("this node was revoked by b on ")
    assert detail.endswith(": sold")
    assert "clawmatrix revoke --undo" in advice


async def test_revocations_that_wait_are_named_with_what_to_do(node_factory: NodeFactory) -> None:
    a = node_factory("a", dials=["b"])
    async with a, node_factory("b") as b:
        await wait_until(lambda: "b" in a.links)
        assert [one.status for one in await found(a, "mesh.revocations")] == ["ok"]
        for number in range(6):
            key = bytes([number]) * 32
            assert a.revocations.accept(b.revocations.make(f"x{number}", key, reason="sold"))
        detail, advice = await wrong(a, "mesh.revocations", "warning")
        more = (await found(a, "mesh.revocations"))[-1]
    assert detail == "x0, whose key is not known here, was revoked by b (sold): it waits for you"
    assert advice.startswith("clawmatrix revocations accept x0, or reject x0")
    assert more.detail == "1 more revocations wait"


async def test_a_revoker_with_another_key_than_the_one_named_is_found(
    node_factory: NodeFactory,
) -> None:
    other = Identity.generate().key_text
    told = {"mesh": {"revokers": {"a": other, "b": other, "c": other}}}
    a = node_factory("a", dials=["b"], config=told)
    async with a, node_factory("b") as b:
        await wait_until(lambda: "b" in a.links)
        findings = [one for one in await found(a, "mesh.revocations") if one.status == "problem"]
    for one, node in zip(findings, (a, b), strict=True):
        assert (
            one.detail == f"[mesh.revokers] names a key of {node.id} that {node.id} does not have"
        )
        assert f'write {node.id} = "{node.identity.key_text}"' in str(one.advice)


def test_strangers_and_what_was_long_ago_are_no_findings() -> None:
    refused = [
        RefusedConnection("192.0.2.1:1", "bad_preamble", "no preamble", last=1000.0, count=9),
        RefusedConnection("192.0.2.2:1", "wrong_secret", "long ago", last=1000.0 - RECENT, count=1),
        RefusedConnection("192.0.2.3:1", "wrong_secret", "x does not have it", last=999.0, count=2),
    ]
    [finding] = look_at_refused(refused, 1000.0)
    assert finding.detail.startswith("refused: x does not have it (2 times, last on 1970-01-01")
