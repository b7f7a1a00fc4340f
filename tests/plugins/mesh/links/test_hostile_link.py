"""Members that misbehave on their link: over real sockets, with Noise done by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.wire.codec import Lane
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.wire import (
    CLOSE,
    TEXT,
    Closed,
    Member,
    Wire,
    header,
    port_of,
    record_of,
    signed,
)

if TYPE_CHECKING:
    from tests.plugins.mesh.conftest import Attack, Target

pytestmark = pytest.mark.anyio

Warnings = Callable[[str], list[str]]
MALLORY = NodeId("mallory")


async def costs_the_link(
    attack: Attack,
    warnings: Warnings,
    reason: str,
    code: int,
    send: Callable[[Member], Any],
) -> None:
    """Have a member do something for which it loses its link: counted, and logged once."""
    async with attack() as target:
        for times in (1, 2):
            async with await Member.join(target.port, identity=Identity.generate(bytes)) as member:
                await send(member)
                assert (await member.wire.closed()).code == code
            await target.counted(reason, times)
        assert len(warnings("refused from mallory")) == 1
        await wait_until(lambda: MALLORY not in target.node.links)


async def is_refused(
    attack: Attack, warnings: Warnings, reason: str, send: Callable[[Member], Any]
) -> None:
    """Have a member say something three times that is refused, while its link goes on."""
    async with attack() as target, await Member.join(target.port) as member:
        for times in (1, 2, 3):
            await send(member)
            await target.counted(reason, times)
        await still_linked(member)
        assert len(warnings("refused from")) == 1


async def still_linked(member: Member) -> None:
    """Ask for a sign of life, and get it."""
    await member.send("heartbeat", {"t": 12345})
    while (await member.receive_type("heartbeat_ack"))["t"] != 12345:
        pass


# --- what costs the link


async def test_a_header_over_its_limit_costs_the_link(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        await member.wire.send(b"\x20{" + b" " * 8200 + b"}\nx")

    await costs_the_link(attack, warnings, "header_too_large", 4000, send)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b"{" * 4000,
        b"\xff\xfe",
        header(from_="mallory", to="x" * 65),
        header(from_="mallory", to="node", id="x" * 65),
        header(from_="mallory", to="node", type="x" * 65),
        header(from_="mallory", to="node", seq=-1),
        header(from_="mallory", to="node", seq=2**64),
        header(from_="mallory", to="node", lane=3),
        header(from_="mallory", to="node", body="something"),
    ],
    ids=lambda line: repr(line[:40]),
)
async def test_a_bad_header_costs_the_link(attack: Attack, warnings: Warnings, line: bytes) -> None:
    async def send(member: Member) -> None:
        await member.wire.send(b"\x20" + line + b"\nx")

    await costs_the_link(attack, warnings, "bad_header", 4000, send)


async def test_a_ttl_above_its_start_costs_the_link(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        await member.send("note", "n", ttl=33)

    await costs_the_link(attack, warnings, "bad_ttl", 4000, send)


async def test_a_message_over_the_limit_costs_the_link(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        await still_linked(member)  # the limit of before holds for one more frame
        await member.wire.stream.send(b"\x82\xff" + (1024 * 1024 + 1).to_bytes(8) + bytes(4))

    await costs_the_link(attack, warnings, "too_large", 1009, send)


async def test_a_text_message_costs_the_link(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        await member.wire.send(b"hello", TEXT)

    await costs_the_link(attack, warnings, "text_message", 1003, send)


@pytest.mark.parametrize("opcode", [3, 11])
async def test_a_websocket_frame_of_no_kind_costs_the_link(
    attack: Attack, warnings: Warnings, opcode: int
) -> None:
    async def send(member: Member) -> None:
        await member.wire.send(b"?", opcode)

    await costs_the_link(attack, warnings, "bad_websocket", 1002, send)


async def test_a_member_that_leaves_is_nothing_special(attack: Attack, warnings: Warnings) -> None:
    async with attack() as target:
        for goodbye in (b"", (1000).to_bytes(2) + b"bye", (4999).to_bytes(2) + "ü".encode()):
            async with await Member.join(target.port, identity=Identity.generate(bytes)) as member:
                await wait_until(lambda: MALLORY in target.node.links)
                await member.wire.send(goodbye, CLOSE)
                await wait_until(lambda: MALLORY not in target.node.links)
        assert warnings("mallory") == []


# --- what is refused, and no more


async def test_an_unsealed_frame_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        line = header(type="heartbeat", from_="mallory", to="node", body="json")
        await member.wire.send(b"\x20" + line + b'\n{"t":1}')

    await is_refused(attack, warnings, "unsealed", send)


async def test_a_frame_in_anothers_name_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        await member.send("heartbeat", {"t": 1}, from_="home")

    await is_refused(attack, warnings, "forged", send)


async def test_frames_in_ever_new_names_are_logged_once(attack: Attack, warnings: Warnings) -> None:
    names = iter(range(100))

    async def send(member: Member) -> None:
        await member.send("heartbeat", {"t": 1}, from_=f"nobody-{next(names)}")

    await is_refused(attack, warnings, "forged", send)


async def test_an_altered_frame_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        line = header(type="note", from_="mallory", to="node", body="sealed")
        sealed = member.session.seal(line, b'j"n"')
        await member.wire.send(b"\x20" + line.replace(b"note", b"nope") + b"\n" + sealed)

    await is_refused(attack, warnings, "forged", send)


async def test_a_replayed_frame_is_refused(attack: Attack, warnings: Warnings) -> None:
    line = header(type="heartbeat", from_="mallory", to="node", body="sealed")
    taken: list[bytes] = []

    async def send(member: Member) -> None:
        if not taken:
            taken.append(b"\x20" + line + b"\n" + member.session.seal(line, b'j{"t":1}'))
            await member.wire.send(taken[0])
        await member.wire.send(taken[0])

    await is_refused(attack, warnings, "replay", send)


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"", "bad_body"),
        (b"x{}", "bad_body"),
        (b"j{", "bad_json"),
        (b"j\xff", "bad_json"),
        (b"j" + b"[" * 100_000, "bad_json"),
    ],
    ids=lambda value: repr(value[:10]),
)
async def test_a_bad_body_is_refused(
    attack: Attack, warnings: Warnings, plain: bytes, reason: str
) -> None:
    async def send(member: Member) -> None:
        await member.send("note", plain)

    await is_refused(attack, warnings, reason, send)


@pytest.mark.parametrize("body", [b"", b"short", bytes(31)])
async def test_a_sealed_body_that_is_too_short_is_refused(
    attack: Attack, warnings: Warnings, body: bytes
) -> None:
    async def send(member: Member) -> None:
        line = header(type="note", from_="mallory", to="node", body="sealed")
        await member.wire.send(b"\x20" + line + b"\n" + body)

    await is_refused(attack, warnings, "short", send)


async def test_an_unknown_type_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        await member.send("brand_new", {"n": 1}, id=f"x{member.session.sealed}")
        assert (await member.receive_type("error"))["code"] == "unknown_type"

    await is_refused(attack, warnings, "unknown_type", send)


@pytest.mark.parametrize(
    ("type_", "payload", "reason"),
    [
        ("digest", 7, "bad_digest"),
        ("digest", [["home"]], "bad_digest"),
        ("records", {"record": "x"}, "bad_record"),
        ("records", [7], "bad_record"),
        ("records", [{"record": "{}", "sig": ""}], "bad_record"),
        ("records", [{"record": "[" * 60_000, "sig": ""}], "bad_record"),
    ],
)
async def test_a_bad_payload_of_membership_is_refused(
    attack: Attack, warnings: Warnings, type_: str, payload: object, reason: str
) -> None:
    async def send(member: Member) -> None:
        await member.send(type_, payload)

    await is_refused(attack, warnings, reason, send)


@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        ("heartbeat", None),
        ("heartbeat", [1]),
        ("heartbeat", {"t": 10**30, "records": {"x": [1]}}),
        ("heartbeat", {"t": "x" * 100_000}),
        ("heartbeat", {"t": [[[[]]]]}),
        ("heartbeat_ack", {"t": 10**400}),
        ("heartbeat_ack", {"t": -1e300}),
        ("heartbeat_ack", "x"),
        ("digest", [["home", 10**30, -1], ["x", "y", "z"]]),
        ("credit", None),
        ("undeliverable", {"from": "mallory", "ttl": 10**30}),
    ],
)
async def test_a_strange_payload_does_no_harm(attack: Attack, type_: str, payload: object) -> None:
    async with attack() as target, await Member.join(target.port) as member:
        await member.send(type_, payload)
        await still_linked(member)
        rtt = target.node.links[MALLORY].rtt
        assert rtt is None or rtt < 10_000


async def test_a_forged_record_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        other = Identity.generate()
        record = {**signed(record_of("victim", other), member.identity)}
        await member.send("records", [record])

    await is_refused(attack, warnings, "forged_record", send)


async def test_an_altered_record_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def send(member: Member) -> None:
        other = Identity.generate()
        record = signed(record_of("victim", other), other)
        record["record"] = record["record"].replace('"epoch": 1', '"epoch": 9')
        await member.send("records", [record])

    await is_refused(attack, warnings, "forged_record", send)


async def test_a_pinned_name_is_not_taken_over_by_gossip(
    attack: Attack, warnings: Warnings
) -> None:
    thief = Identity.generate()

    async def send(member: Member) -> None:
        await member.send("records", [signed(record_of("home", thief, epoch=10**6), thief)])

    async with attack() as target:
        before = target.node.directory.get(target.home.id)
    await is_refused(attack, warnings, "pin_conflict", send)
    assert before is not None
    assert before.record.sign_key == base64.b64encode(target.home.identity.sign_public).decode()


async def test_gossip_of_another_run_does_not_cut_off_a_living_link() -> None:
    """A copy of home's keys, somewhere in the mesh, must not silence the home that is linked."""
    async with make_node("node") as node:
        address = address_of(node)
        async with (
            make_node("home", peers=[address]) as home,
            await Member.join(port_of(address)) as member,
        ):
            await wait_until(lambda: home.id in node.links)
            link = node.links[home.id]
            copy = record_of("home", home.identity, epoch=home.epoch, seq=10**6, instance="copy")
            async with node.exchange("home", "ping", {"n": 1}, deadline=5) as ex:
                await member.send("records", [signed(copy, home.identity)])
                await still_linked(member)
                known = node.directory.get(home.id)
                assert known is not None
                assert known.record.instance == "copy"
                await ex.finish()
                assert await ex.receive() == {"n": 1}
            assert node.links[home.id] is link
            assert not node.counters["unknown_session"]


async def test_a_frame_at_the_end_of_its_ttl_goes_no_further(attack: Attack) -> None:
    async with attack() as target, await Member.join(target.port) as member:
        for ttl in (0, 1):
            await member.send("note", "n", to="home", ttl=ttl, id=f"ttl-{ttl}")
            report = await member.receive_type("undeliverable")
            assert (report["reason"], report["id"]) == ("ttl", f"ttl-{ttl}")
        assert target.node.counters["undeliverable_ttl"] == 2


# --- slow, and deaf


async def test_a_member_that_falls_silent_is_given_up(attack: Attack, warnings: Warnings) -> None:
    async with attack(heartbeat=0.5) as target, await Member.join(target.port) as member:
        assert (await member.wire.closed()).code == 4002
        await target.counted("missed_heartbeats")


async def test_a_member_that_reads_nothing_is_closed(attack: Attack) -> None:
    """The node has much to tell it: memory stays bounded, and the link ends at its limit."""
    async with attack() as target, await Member.join(target.port) as member:
        await wait_until(lambda: MALLORY in target.node.links)
        link = target.node.links[MALLORY]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(talk_without_listening, member)
            while link.closing is None:
                offered = send_note(target, member)
                await anyio.sleep(0 if offered else 0.01)
            tasks.cancel_scope.cancel()
        assert link.waiting < 100
        assert target.node.counters["stalled"] == 1


def send_note(target: Target, member: Member) -> bool:
    link = target.node.links.get(MALLORY)
    note = "x" * 60_000
    return link is not None and target.node.switch.send_to_neighbour(
        link, "note", "", note, Lane.BULK
    )


async def talk_without_listening(member: Member) -> None:
    try:
        while True:
            await member.send("heartbeat_ack", {"t": 0})
            await anyio.sleep(0.05)
    except Closed:
        pass


# --- crowds


@pytest.mark.bound("clawmatrix_mesh.links.limits.UNPROVED")
async def test_a_crowd_that_never_proves_itself_does_not_keep_a_member_out(
    attack: Attack, warnings: Warnings
) -> None:
    async with attack() as target:
        crowd = [await Wire.open(target.port) for _ in range(200)]
        began = anyio.current_time()
        async with await Member.join(target.port):
            await wait_until(lambda: MALLORY in target.node.links)
        assert anyio.current_time() - began < 2
        await target.counted("too_many_handshakes", 100)
        assert len(warnings("had to make room")) == 1
        for wire in crowd:
            assert (await wire.closed()).code in (1013, 4008)
            await wire.__aexit__()


async def test_many_bad_handshakes_in_a_row_cost_little(attack: Attack, warnings: Warnings) -> None:
    async with attack() as target:
        for _ in range(50):
            async with await Member.shake(target.port, secret="x" * 40) as stranger:
                assert (await stranger.wire.closed()).code == 4001
        await target.counted("wrong_secret", 50)
        assert len(warnings("does not have this mesh's secret")) == 1
        assert len(json.dumps(target.mesh_status()["refused"])) < 1000
