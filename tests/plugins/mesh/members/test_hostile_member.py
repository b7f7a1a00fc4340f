"""A member that floods, forges and exhausts: contained and named, and others' calls are served."""

from __future__ import annotations

import itertools
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.directory import LINKS_TOTAL, MEMBER_LIMIT
from clawmatrix_core.members.identity import Identity, psk_from_secret
from clawmatrix_core.members.revocation import Revocation, SignedRevocation
from clawmatrix_core.members.revocation_table import WAITING_MOST
from clawmatrix_core.sessions.noise import KKPSK0, Handshake
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_mesh.members.revoking import REVOCATIONS
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.wire import Closed, Member, Wire, header, port_of, record_of, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.plugins.mesh.conftest import Attack, Target

    Warnings = Callable[[str], list[str]]

pytestmark = pytest.mark.anyio

MALLORY = NodeId("mallory")
CALLS = 20
LATENCY = 5.0
"""Seconds that a call of others may take meanwhile; all nodes, and the attacker, share one
event loop."""


async def calls_are_served(target: Target, record_property: Callable[[str, object], None]) -> None:
    """Have others call each other through the node, while it is under attack."""
    worst = 0.0
    for _ in range(CALLS):
        began, rounds = anyio.current_time(), target.rounds
        await wait_until(lambda rounds=rounds: target.rounds > rounds, limit=LATENCY)  # type: ignore[misc]
        worst = max(worst, anyio.current_time() - began)
    record_property("longest call, s", round(worst, 3))


@asynccontextmanager
async def doing(work: Callable[[], Any]) -> AsyncIterator[None]:
    """Have something done again and again, for as long as the block takes."""

    async def run() -> None:
        try:
            while True:
                await work()
                await anyio.lowlevel.checkpoint()
        except Closed:
            pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def reading(member: Member) -> AsyncIterator[None]:
    """Have a member read what comes and do nothing with it."""
    async with doing(member.wire.receive):
        yield


# --- records


async def test_a_record_that_changes_all_the_time_is_passed_on_in_its_time(
    attack: Attack, warnings: Warnings, record_property: Callable[[str, object], None]
) -> None:
    async with attack() as target, await Member.join(target.port) as member:
        identity, seq = member.identity, 1

        async def churn() -> None:
            nonlocal seq
            seq += 1
            await member.send(
                "records", [signed(record_of("mallory", identity, seq=seq), identity)]
            )

        async with reading(member):
            async with doing(churn):
                await target.counted("record_rate", 300)
                await calls_are_served(target, record_property)
            assert len(warnings("its record changes too often")) == 1
            known = target.home.directory.get(MALLORY)
            assert known is not None
            async with doing(lambda: _alive(member)):
                await wait_until(lambda: _seq(target, "home") == seq)


async def _alive(member: Member) -> None:
    """Show that the member is there, now and then."""
    await member.send("heartbeat", {"t": 1})
    await anyio.sleep(0.1)


def _seq(target: Target, name: str) -> int:
    known = getattr(target, name).directory.get(MALLORY)
    return int(known.record.seq)


async def test_records_of_made_up_nodes_are_bounded_and_taken_by_turns(
    attack: Attack, warnings: Warnings, record_property: Callable[[str, object], None]
) -> None:
    keys = [Identity.generate() for _ in range(20)]
    made_up = [record_of(f"nobody-{n}", keys[n % 20]) for n in range(6000)]
    records = [signed(record, keys[n % 20]) for n, record in enumerate(made_up)]
    batches = itertools.cycle([records[at : at + 500] for at in range(0, 6000, 500)])
    async with attack() as target, await Member.join(target.port) as member:

        async def make_up() -> None:
            await member.send("records", next(batches))

        async with reading(member), doing(make_up):
            await calls_are_served(target, record_property)
            await wait_until(lambda: len(target.node.directory) >= MEMBER_LIMIT, limit=60)
            await target.counted("too_many_members")
            await calls_are_served(target, record_property)
            await a_newcomer_is_let_in(target)
        assert len(target.node.directory) <= MEMBER_LIMIT + 1  # late has proved itself
        assert 1 <= len(warnings("more members than can be")) <= 3  # once at each node


async def test_made_up_records_that_list_each_other_are_bounded_by_their_links(
    attack: Attack, warnings: Warnings, record_property: Callable[[str, object], None]
) -> None:
    keys = [Identity.generate() for _ in range(16)]
    names = [f"s{n:x}" for n in range(450)]
    full = dict.fromkeys([*names, "mallory"], 1)
    made_up = [record_of(name, keys[n % 16], links=full) for n, name in enumerate(names)]
    records = [signed(record, keys[n % 16]) for n, record in enumerate(made_up)]
    links = dict.fromkeys([*names, "node"], 1)
    async with attack() as target, await Member.join(target.port, links=links) as member:
        async with reading(member):
            for at in range(0, len(records), 50):
                await member.send("records", records[at : at + 50])
            async with doing(lambda: _alive(member)):
                await target.counted("too_many_links", 100)
                await calls_are_served(target, record_property)
                await wait_until(lambda: len(target.node.routes) > 200, limit=60)
                await calls_are_served(target, record_property)
        known = [peer.record for peer in target.node.directory.all()]
        assert sum(len(record.links) for record in known) < LINKS_TOTAL + len(links) + 10
        assert "failed" not in {info.state for info in target.node.plugins.list()}
        assert 1 <= len(warnings("links, where")) <= 3  # once at each node


async def a_newcomer_is_let_in(target: Target) -> None:
    """Have a node join that others can only hear of, though hearsay has filled them."""
    late = NodeId("late")
    async with make_node("late", peers=[address_of(target.node)]):
        await wait_until(lambda: target.home.reachable(late), limit=60)
        async with target.home.exchange(late, "ping", {"n": 1}, complete=True) as ex:
            assert await ex.receive() == {"n": 1}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda n, key: signed(record_of(f"n{n}", Identity.generate()), key), "forged_record"),
        (lambda n, key: {"record": "{" * 60_000, "sig": "x"}, "bad_record"),
        (lambda n, key: {"record": "[" + "[]," * 20_000 + "[]]", "sig": "x"}, "bad_record"),
        (lambda n, key: {"record": "x" * 70_000, "sig": "x"}, "bad_record"),
        (lambda n, key: signed(record_of(f"n{n}", key, epoch=2**53), key), "bad_record"),
        (lambda n, key: signed(record_of(f"n{n}", key, epoch=2**63 - 1), key), "bad_record"),
        (lambda n, key: signed(record_of(f"n{n}", key, seq=2**63), key), "bad_record"),
        (lambda n, key: signed(record_of(f"n{n}", key, epoch=-1), key), "bad_record"),
        (lambda n, key: signed(record_of(f"n{n}", key, seq=1e300), key), "bad_record"),
        (lambda n, key: signed(record_of("home", key, epoch=2**53 - 1), key), "pin_conflict"),
    ],
    ids=["forged", "braces", "lists", "giant", "2^53", "2^63-1", "2^63", "-1", "1e300", "a name"],
)
async def test_a_flood_of_records_that_are_none_is_counted_and_named(
    attack: Attack,
    warnings: Warnings,
    record_property: Callable[[str, object], None],
    make: Callable[[int, Identity], dict[str, str]],
    reason: str,
) -> None:
    async with attack() as target, await Member.join(target.port) as member:
        batch = [make(number, member.identity) for number in range(4)]

        async def flood() -> None:
            await member.send("records", batch)

        async with reading(member), doing(flood):
            await target.counted(reason, 60)
            await calls_are_served(target, record_property)
        assert len(warnings("refused from")) in (1, 2)
        assert target.node.epoch == target.home.epoch == 1
        assert len(target.node.directory) < 20


async def test_an_epoch_at_its_end_is_not_outdone() -> None:
    """By whoever has the node's own key: the node says so, and does not count to the end too."""
    async with make_node("node") as node, await Member.join(port_of(address_of(node))) as member:
        for epoch in (2**48, 2**53 - 1):
            own = record_of("node", node.identity, epoch=epoch, instance="copy")
            await member.send("records", [signed(own, node.identity)])
        await wait_until(lambda: node.counters["twin"] == 2)
        assert node.epoch == 1
        earlier = record_of("node", node.identity, epoch=7, instance="copy")
        await member.send("records", [signed(earlier, node.identity)])
        await wait_until(lambda: node.epoch == 8)


async def test_digests_are_answered_at_a_rate(
    attack: Attack, warnings: Warnings, record_property: Callable[[str, object], None]
) -> None:
    async with attack() as target, await Member.join(target.port) as member:
        async with reading(member), doing(lambda: member.send("digest", [])):
            await target.counted("digest_rate", 100)
            await calls_are_served(target, record_property)
        assert len(warnings("digests too often")) == 1


# --- exchanges and sessions


async def test_exchanges_that_are_left_open_are_bounded_for_each_member(
    attack: Attack, warnings: Warnings, record_property: Callable[[str, object], None]
) -> None:
    """It never ends them, never acknowledges, and never reads."""
    async with attack() as target, await Member.join(target.port) as member:
        number = 0

        async def open_one() -> None:
            nonlocal number
            number += 1
            await member.send("ping", {"n": number}, id=f"open-{number}", seq=0, limit=2**50)

        async with reading(member), doing(open_one):
            await target.counted("too_many_exchanges", 500)
            await calls_are_served(target, record_property)
            own = [one for one in target.node.exchanges.live if one.peer == MALLORY]
            assert len(own) <= target.node.config.peer_exchanges
        assert len(warnings("more than 1024 exchanges open")) == 1


@pytest.mark.parametrize("kind", ["data", "credit", "probe", "unknown", "cancel", "error"])
async def test_frames_of_exchanges_that_are_none_are_counted(
    attack: Attack, record_property: Callable[[str, object], None], kind: str
) -> None:
    async with attack() as target, await Member.join(target.port) as member:
        number = 0

        async def send() -> None:
            nonlocal number
            number += 1
            far = {"seq": 2**53 - 2, "ack": 2**53 - 1, "limit": 2**53 - 1}
            await member.send(kind, None, id=f"none-{number}", **far)

        reason = "stray" if kind in ("credit", "unknown") else "unknown_exchange"
        async with reading(member), doing(send):
            await target.counted(reason, 2000)
            await calls_are_served(target, record_property)
        assert not [one for one in target.node.exchanges.live if one.peer == MALLORY]


async def test_sessions_it_opens_and_does_not_use_are_few(
    attack: Attack, warnings: Warnings, record_property: Callable[[str, object], None]
) -> None:
    async with attack() as target, await Member.join(target.port) as member:
        key = target.node.identity.channel_public
        number = 0

        async def open_one() -> None:
            nonlocal number
            number += 1
            noise = Handshake(
                KKPSK0,
                initiator=True,
                static=member.identity.channel_private,
                remote_static=key,
                psk=psk_from_secret(SECRET),
                prologue=b"clawmatrix session v1\0mallory\0node",
            )
            about = {"type": "session_open", "id": f"{number}", "body": "bytes", "lane": 0}
            line = header(from_="mallory", to="node", **about)
            await member.wire.send(b"\x20" + line + b"\n" + noise.write(b"run"))

        async with reading(member), doing(open_one):
            await target.counted("session_rate", 200)
            await calls_are_served(target, record_property)
            kept = target.node.sessions.table
            assert sum(one.session.peer == MALLORY for one in kept) <= 6
        assert len(warnings("opens too many sessions")) == 1


# --- connections


async def test_a_member_that_connects_again_and_again_has_one_link(
    attack: Attack, record_property: Callable[[str, object], None]
) -> None:
    async with attack() as target:
        identity = Identity.generate()

        async def connect() -> None:
            async with await Wire.open(target.port) as wire:
                member = await Member.shake(target.port, identity=identity, wire=wire)
                await member.send_hello()

        async with doing(connect), doing(connect), doing(connect):
            await calls_are_served(target, record_property)
            assert set(target.node.links) <= {"home", "lab", "mallory"}


async def test_many_members_that_come_and_go_leave_the_others_alone(
    attack: Attack, record_property: Callable[[str, object], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with attack() as target:
        number = 0

        async def come() -> None:
            nonlocal number
            number += 1
            async with await Wire.open(target.port) as wire:
                await Member.join(target.port, f"sybil-{number}", wire=wire)

        async with doing(come):
            await wait_until(lambda: number > 100, limit=60)
            await calls_are_served(target, record_property)


# --- frames


async def test_made_up_origins_count_as_the_neighbours_own(
    caplog: pytest.LogCaptureFixture, record_property: Callable[[str, object], None]
) -> None:
    """Else each would have a limit of its own, and all of them together none."""
    async with make_node("node", tables={"relay": {"origin_frames": 300}}) as node:
        address = address_of(node)
        async with (
            make_node("home", peers=[address]) as home,
            await Member.join(port_of(address)) as member,
        ):
            await wait_until(lambda: home.reachable(NodeId("node")))
            number = 0

            async def send() -> None:
                nonlocal number
                number += 1
                about = {"from_": f"nobody-{number}", "to": "home", "body": "sealed"}
                await member.wire.send(b"\x20" + header(**about) + b"\n" + bytes(100))

            async with reading(member), doing(send):
                await wait_until(lambda: node.counters["undeliverable_congested"] > 500)
            [section] = [one for one in node.status_sections() if one.name == "relay"]
            [dropped] = section.read()["dropped"]
            assert (dropped["nodeId"], dropped["via"]) == ("mallory", "mallory")
            assert "frames of mallory are dropped" in caplog.text


async def test_a_member_that_floods_revocations_is_put_out_all_the_same(
    attack: Attack, warnings: Warnings
) -> None:
    authors = {f"author{n}": Identity.generate() for n in range(4)}
    async with attack() as target, await Member.join(target.port, features=[REVOCATIONS]) as member:
        for node in (target.node, target.home):
            node.revocations.name_revokers({"lab": target.lab.identity.sign_public})
        authors["mallory"] = member.identity
        numbers = itertools.count()

        def junk(number: int) -> dict[str, str]:
            by = list(authors)[number // 250 % 5]
            said = Revocation(
                f"junk{number % 1100}",
                (number % 1100).to_bytes(32),
                by,
                authors[by].sign_public,
                int(target.node.clock.wall() * 1000) + number,
            )
            return SignedRevocation.make(said, authors[by]).to_wire()

        async def flood() -> None:
            await member.send(REVOCATIONS, {"new": [junk(next(numbers)) for _ in range(16)]})
            await anyio.sleep(0.01)

        async with reading(member), doing(flood):
            await target.counted("too_many_revocations", 50)
            await wait_until(lambda: target.lab.trust.get(MALLORY) is not None)
            [add] = [m for m in target.lab.control_methods() if m.name == "revoke.add"]
            assert add.call is not None
            await add.call({"node": "mallory"})
            key = member.identity.sign_public
            for node in (target.node, target.home):
                await wait_until(lambda node=node: node.revocations.get(key) is not None, limit=30)  # type: ignore[misc]
            await wait_until(lambda: MALLORY not in target.node.links)
        for node in (target.node, target.home, target.lab):
            assert len(node.revocations.all()) <= WAITING_MOST + 1
        assert warnings("one too many")
        assert not warnings("junk1 was revoked")
        assert warnings("mallory was revoked by lab")
