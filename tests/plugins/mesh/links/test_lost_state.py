"""A node whose state was lost, a link that does not hold, a key conflict: who learns of it.

All of them are told in the node's own log, in its status and by its doctor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core import Frame, frame_types, hookimpl
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.members.standing import open_standing
from clawmatrix_core.state.folder import MemoryState, StateFolder
from clawmatrix_core.testing.fixtures import free_port, wait_until
from clawmatrix_mesh.checks.advice import advice_for
from clawmatrix_mesh.links.flapping import OFTEN, REMEMBERED, WINDOW, Flaps
from clawmatrix_mesh.links.own_key import REMEMBERED as REFUSALS
from clawmatrix_mesh.links.own_key import OwnKey
from tests.core.members.members import Member
from tests.plugins.mesh.conftest import address_of, make_node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

NOW = 1_760_000_000.0


def section_of(node: Node) -> tuple[dict[str, Any], list[str]]:
    """Return what the mesh says in the status: its JSON, and its lines for people."""
    [section] = [one for one in node.status_sections() if one.name == "mesh"]
    value: dict[str, Any] = section.read()
    assert section.text is not None
    return value, list(section.text(value))


async def problems(node: Node) -> list[str]:
    found = await run_checks(node.checks())
    return [f"{one.name}: {one.detail} -> {one.advice}" for one in found if one.status != "ok"]


@pytest.mark.anyio
@pytest.mark.parametrize("dials", [True, False])
async def test_a_node_whose_state_was_lost_learns_it(
    dials: bool, warnings: Callable[[str], list[str]]
) -> None:
    """The other node knows the old key. Whichever of them dials, the lost one is told."""
    port = free_port()
    keeps: dict[str, Any] = {"listen": f"127.0.0.1:{port}"} if dials else {"listen": None}
    loses: dict[str, Any] = {"listen": f"127.0.0.1:{port}"} if not dials else {"listen": None}
    if dials:
        loses["peers"] = [f"ws://127.0.0.1:{port}"]
    else:
        keeps["peers"] = [f"ws://127.0.0.1:{port}"]
    async with make_node("home", **keeps) as home:
        async with make_node("office", **loses):
            await wait_until(lambda: "office" in home.links)
        async with make_node("office", **loses) as lost:
            await wait_until(lambda: section_of(lost)[0]["keyRefused"])
            value, lines = section_of(lost)
            assert value["keyRefused"][0]["who"] in ("home", f"ws://127.0.0.1:{port}")
            told = "knows another key under this node's name"
            assert any(told in line for line in lines)
            assert f"  -> {advice_for('key_refused')}" in lines
            accept = f"clawmatrix trust accept office {lost.identity.fingerprint}"
            assert warnings(told)
            assert accept in warnings(told)[0]
            found = [one for one in await problems(lost) if one.startswith("mesh.keys: ")]
            assert accept in found[0]
            assert any("office shows another key" in line for line in section_of(home)[1])


@pytest.mark.anyio
async def test_a_node_is_told_no_more_once_its_new_key_is_accepted() -> None:
    port = free_port()
    async with make_node("home", listen=f"127.0.0.1:{port}") as home:
        peers = [f"ws://127.0.0.1:{port}"]
        async with make_node("office", peers=peers):
            await wait_until(lambda: "office" in home.links)
        async with make_node("office", peers=peers) as lost:
            await wait_until(lambda: section_of(lost)[0]["keyRefused"])
            home.trust.accept(NodeId("office"), lost.identity.fingerprint)
            await wait_until(lambda: "home" in lost.links)
            assert section_of(lost)[0]["dialling"][0]["error"] is None


def test_a_node_learns_that_its_pins_are_gone(tmp_path: Path) -> None:
    def start() -> tuple[str, ...]:
        with StateFolder(tmp_path) as state:
            return open_standing(NodeId("home"), state, wall=lambda: NOW).trust.lost

    assert start() == ()
    assert start() == ()
    (tmp_path / "trust.json").unlink()
    [told] = start()
    assert "trust.json is gone: the keys of the other nodes are not known any more" in told
    (tmp_path / "identity.json").unlink()
    [told] = start()
    assert "identity.json is gone: this node has a new key" in told
    assert start() == ()


@pytest.mark.anyio
async def test_what_was_lost_is_in_log_status_and_doctor(
    warnings: Callable[[str], list[str]],
) -> None:
    state = MemoryState()
    state.write("epoch", 3)
    async with make_node("home", state=state) as home:
        value, lines = section_of(home)
        assert len(value["lost"]) == 2
        assert lines[:2] == value["lost"]
        assert warnings("is gone: this node has a new key")
        assert warnings("is gone: the keys of the other nodes")
        assert len([one for one in await problems(home) if " is gone: " in one]) == 2


@pytest.mark.anyio
async def test_status_says_why_a_link_is_missing_in_the_words_of_the_doctor() -> None:
    dead = f"ws://127.0.0.1:{free_port()}"
    async with make_node("home", peers=[dead]) as home:
        await wait_until(lambda: section_of(home)[0]["dialling"][0]["error"])
        value, lines = section_of(home)
        target = value["dialling"][0]
        assert (target["reason"], target["advice"]) == (
            "not_listening",
            advice_for("not_listening"),
        )
        [found] = [one for one in await problems(home) if one.startswith("mesh.peer: ")]
        assert found == f"mesh.peer: {lines[0]} -> {lines[1].removeprefix('  -> ')}"


@pytest.mark.anyio
async def test_a_link_that_opens_and_closes_again_and_again_is_shown(
    warnings: Callable[[str], list[str]],
) -> None:
    async with make_node("home") as home:
        async with make_node("office", peers=[address_of(home)]) as office:
            for _ in range(OFTEN):
                await wait_until(lambda: "home" in office.links and "office" in home.links)
                link = home.links[NodeId("office")]
                link.close("the cable is loose")
                await wait_until(lambda link=link: home.links.get(link.peer) is not link)  # type: ignore[misc]
            await wait_until(lambda: section_of(home)[0]["flapping"])
        value, lines = section_of(home)
        [flap] = value["flapping"]
        assert flap["nodeId"] == "office"
        assert flap["count"] >= OFTEN
        assert flap["reasons"]["the cable is loose"] >= OFTEN - 1
        words = "the link to office closed"
        assert [line for line in lines if line.startswith(words)]
        assert warnings(words)
        assert any(one.startswith(f"mesh.flapping: {words}") for one in await problems(home))


def test_links_that_closed_long_ago_are_no_longer_counted() -> None:
    flaps = Flaps()
    told = [flaps.note(NodeId("a"), f"reason {n % 2}", NOW + n) for n in range(8)]
    assert [n for n, flap in enumerate(told, 1) if flap is not None] == [4, 8]
    [flap] = flaps.latest(NOW + 8)
    assert (flap.count, flap.reasons) == (8, {"reason 0": 4, "reason 1": 4})
    assert str(flap) == "the link to a closed 8 times within 15 min: reason 0 (4); reason 1 (4)"
    assert not list(flaps.latest(NOW + 5 + WINDOW))


@pytest.mark.bound("clawmatrix_mesh.links.flapping.REMEMBERED")
def test_nodes_with_closed_links_are_bounded() -> None:
    flaps = Flaps()
    for n in range(REMEMBERED + 20):
        for _ in range(40):
            flaps.note(NodeId(f"n{n}"), "x" * 1000, NOW)
    assert len(flaps) == REMEMBERED
    [first, *_] = flaps.latest(NOW)
    assert first.count == 32
    assert len(str(first)) < 250


@pytest.mark.anyio
@pytest.mark.bound("clawmatrix_mesh.links.own_key.REMEMBERED")
async def test_those_that_refuse_the_key_are_bounded() -> None:
    async with make_node("home") as home:
        own = OwnKey(home)
        for n in range(REFUSALS + 20):
            own.refused(f"n{n}")
        assert len(own) == REFUSALS
        assert next(own.latest()).who == f"n{REFUSALS + 19}"


class CountsDigests:
    """Counts the digests that come in, and leaves them to the mesh."""

    plugin_name = "counts"

    def __init__(self) -> None:
        self.count = 0

    @hookimpl(tryfirst=True)
    @frame_types("digest")
    def frame_received(self, frame: Frame) -> bool | None:
        self.count += 1
        return None


@pytest.mark.anyio
async def test_a_key_conflict_ends_its_digests() -> None:
    """Two nodes know a third one by two keys: what they tell each other changes nothing."""
    one, other, counts = Member("lab"), Member("lab", life=2), CountsDigests()
    plugins = ("relay", counts)
    async with (
        make_node("home", heartbeat=0.1, plugins=plugins) as home,
        make_node("office", heartbeat=0.1, peers=[address_of(home)]) as office,
    ):
        await wait_until(lambda: "office" in home.links and "home" in office.links)
        home.accept_record(one.signed())
        office.accept_record(other.signed(seq=5))
        link = home.links[NodeId("office")]

        async def beats(number: int) -> None:
            there = link.frames_in + 2 * number
            await wait_until(lambda: link.frames_in >= there)

        await wait_until(lambda: home.trust.conflicts())
        await beats(20)
        before = counts.count
        await beats(20)
        assert counts.count == before > 0
        assert home.links[NodeId("office")] is link
