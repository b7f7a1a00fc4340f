"""Introducers: whose lists count, how lists replace each other, and what they cannot do.

Home and office never link: hub, which is between them, tells office whose key home's is.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from msgspec.structs import replace

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.errors import RemoteProtocolError, StartError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.members.identity import Identity, fingerprint, key_text
from clawmatrix_core.members.named_keys import NamedKeys
from clawmatrix_core.members.record import NodeRecord, SignedRecord
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_mesh.members.introductions import (
    INTRODUCED_MOST,
    INTRODUCTIONS,
    Introductions,
    join_parts,
)
from clawmatrix_mesh.members.vouching import VOUCHED, Vouching
from tests.core.members.members import base64_of
from tests.plugins.mesh.conftest import LIMITS, address_of, make_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.members.pins import Known
    from clawmatrix_core.wire.frames import Frame

pytestmark = pytest.mark.anyio

HUB, HOME, OFFICE, FAR = map(NodeId, ("hub", "home", "office", "far"))
OFTEN = replace(LIMITS, introductions=0.1)


def identity(word: str) -> Identity:
    return Identity.generate(Random(word).randbytes)


@attrs.define
class Wall:
    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


THE_HUB, THE_FAR, TRUE, FALSE = map(identity, ("hub", "far", "home", "squatter"))


def known(node: Node, name: NodeId, of: Identity) -> Known:
    return node.trust.how_known(name, of.key_text)


def introducers(**named: Identity) -> dict[str, str]:
    return {name: one.key_text for name, one in named.items()}


async def accept(node: Node, name: NodeId, of: Identity) -> None:
    """Have the person at a node compare the key by which it knows a name."""
    await wait_until(lambda: node.trust.keys(name)[:1] == (of.sign_public,))
    about = {"node": name, "fingerprint": fingerprint(of.sign_public)}
    await call_control(node, "trust.accept", about)


def record_of(name: NodeId, of: Identity) -> SignedRecord:
    """Return what a squatter says of itself."""
    record = NodeRecord(
        node_id=name,
        sign_key=base64_of(of.sign_public),
        channel_key=base64_of(of.channel_public),
        epoch=9,
        seq=9,
        instance="squatter",
    )
    return SignedRecord.make(record, of)


@asynccontextmanager
async def office_and_hub(**office: Any) -> AsyncIterator[tuple[Node, Node]]:
    """Run hub, which knows home as accepted, and office, which names hub as introducer."""
    mesh = {"introducers": introducers(hub=THE_HUB), "direct": False, **office}
    async with (
        make_node("hub", identity=THE_HUB, limits=OFTEN) as hub,
        make_node("home", identity=TRUE, peers=[address_of(hub)], direct=False),
        make_node("office", limits=OFTEN, peers=[address_of(hub)], **mesh) as office_node,
    ):
        await accept(hub, HOME, TRUE)
        await wait_until(lambda: office_node.directory.get(HOME) is not None)
        yield office_node, hub


# --- over real links


async def test_an_introducer_says_whose_key_a_name_has_that_never_linked() -> None:
    async with office_and_hub() as (office, _):
        assert known(office, HOME, TRUE) == "hearsay"
        await accept(office, HUB, THE_HUB)
        await wait_until(lambda: known(office, HOME, TRUE) == "introduced")
        assert known(office, HOME, FALSE) == "hearsay"
        assert HOME not in office.links


async def test_an_introduction_puts_a_squatters_hearsay_out() -> None:
    async with make_node("hub", identity=THE_HUB, limits=OFTEN) as hub:
        address = address_of(hub)
        async with make_node(
            "office",
            limits=OFTEN,
            peers=[address],
            introducers=introducers(hub=THE_HUB),
            direct=False,
        ) as office:
            office.accept_record(record_of(HOME, FALSE))
            assert office.trust.keys(HOME) == (FALSE.sign_public,)
            async with make_node("home", identity=TRUE, peers=[address], direct=False):
                await accept(hub, HOME, TRUE)
                await accept(office, HUB, THE_HUB)
                await wait_until(lambda: known(office, HOME, TRUE) == "introduced")
                await wait_until(lambda: key_in_record(office, HOME) == TRUE.sign_public)
                assert known(office, HOME, FALSE) == "hearsay"


def key_in_record(node: Node, name: NodeId) -> bytes | None:
    peer = node.directory.get(name)
    return None if peer is None else peer.record.sign_key_bytes()


async def test_an_introducer_does_not_beat_a_squatter_that_linked() -> None:
    named = introducers(hub=THE_HUB)
    async with (
        make_node("hub", identity=THE_HUB) as hub,
        make_node("office", limits=OFTEN, peers=[address_of(hub)], introducers=named) as office,
    ):
        office.trust.check(HOME, FALSE.sign_public, proven=True, now=1.0)
        hub.trust.insist(HOME, TRUE.sign_public, now=1.0)
        await accept(office, HUB, THE_HUB)
        await wait_until(lambda: office.state.read(INTRODUCTIONS))
        assert known(office, HOME, FALSE) == "linked"
        assert known(office, HOME, TRUE) == "hearsay"
        assert office.trust.keys(HOME) == (FALSE.sign_public,)


async def test_who_is_taken_out_of_the_table_introduces_nobody_any_more() -> None:
    async with office_and_hub() as (office, _):
        await accept(office, HUB, THE_HUB)
        await wait_until(lambda: known(office, HOME, TRUE) == "introduced")
        told = {"node_id": "office", "secret": SECRET, "mesh": {"listen": "127.0.0.1:0"}}
        await office.reload(Config.from_mapping(told))
        assert known(office, HOME, TRUE) == "hearsay"


async def test_who_is_forgotten_at_the_introducer_is_introduced_no_more() -> None:
    async with office_and_hub() as (office, hub):
        await accept(office, HUB, THE_HUB)
        await wait_until(lambda: known(office, HOME, TRUE) == "introduced")
        hub.trust.forget(HOME)
        await wait_until(lambda: known(office, HOME, TRUE) == "hearsay")


async def test_an_introducer_that_is_revoked_introduces_nobody() -> None:
    async with office_and_hub() as (office, _):
        await accept(office, HUB, THE_HUB)
        await wait_until(lambda: known(office, HOME, TRUE) == "introduced")
        await call_control(office, "revoke.add", {"node": "hub"})
        await wait_until(lambda: known(office, HOME, TRUE) == "hearsay")


class LyingPlugin:
    """Answers the question for introductions in the mesh plugin's place."""

    plugin_name = "lying"

    def __init__(self, number: int, **named: Identity) -> None:
        self.tell(number, **named)
        self.asked = 0

    def tell(self, number: int, **named: Identity) -> None:
        """Tell another list from now on."""
        self._list = {"number": number, "names": introducers(**named)}

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Be ready to answer."""
        self._scope = scope

    @hookimpl(tryfirst=True)
    @frame_types(INTRODUCTIONS)
    def frame_received(self, node: Node, frame: Frame) -> bool:
        """Answer with the list."""
        return node.accept(frame, self._answer, self._scope)

    async def _answer(self, ex: Exchange) -> None:
        self.asked += 1
        await ex.finish(self._list)


@asynccontextmanager
async def lied_to(lies: LyingPlugin) -> AsyncIterator[Node]:
    """Run office with an introducer that it has accepted, and that says what it likes."""
    named = introducers(hub=THE_HUB)
    async with (
        make_node("hub", identity=THE_HUB, plugins=("relay", lies)) as hub,
        make_node("office", limits=OFTEN, peers=[address_of(hub)], introducers=named) as office,
    ):
        await accept(office, HUB, THE_HUB)
        yield office


async def test_an_introducer_that_only_linked_counts_for_nothing() -> None:
    linked, sure = LyingPlugin(1, home=FALSE), LyingPlugin(1)
    async with (
        make_node("hub", identity=THE_HUB, plugins=("relay", linked)) as hub,
        make_node("far", identity=THE_FAR, plugins=("relay", sure)) as far,
        make_node(
            "office",
            limits=OFTEN,
            peers=[address_of(hub), address_of(far)],
            introducers=introducers(hub=THE_HUB, far=THE_FAR),
        ) as office,
    ):
        await wait_until(lambda: HUB in office.links)
        office.accept_record(record_of(HOME, FALSE))
        await accept(office, FAR, THE_FAR)
        await wait_until(lambda: sure.asked >= 3)
        assert known(office, HUB, THE_HUB) == "linked"
        assert (linked.asked, known(office, HOME, FALSE)) == (0, "hearsay")


async def test_an_old_list_that_an_introducer_tells_again_changes_nothing() -> None:
    lies = LyingPlugin(9, home=TRUE)
    async with lied_to(lies) as office:
        office.accept_record(record_of(HOME, TRUE))
        await wait_until(lambda: known(office, HOME, TRUE) == "introduced")
        held = office.state.read(INTRODUCTIONS)
        lies.tell(8, home=FALSE)
        await wait_until(lambda: office.counters["old_introductions"] >= 1)
        lies.tell(9, home=FALSE)
        await wait_until(lambda: office.counters["old_introductions"] >= 4)
        assert office.state.read(INTRODUCTIONS) == held
        assert known(office, HOME, TRUE) == "introduced"
        assert known(office, HOME, FALSE) == "hearsay"


async def test_a_dishonest_introducer_takes_no_name_from_a_person_or_a_link() -> None:
    lies = LyingPlugin(1, home=FALSE, lab=FALSE, far=FALSE, office=FALSE, hub=FALSE)
    async with lied_to(lies) as office:
        asked = lies.asked
        lab = NodeId("lab")
        office.trust.check(HOME, TRUE.sign_public, proven=False, now=1.0)
        office.trust.accept(HOME, fingerprint(TRUE.sign_public))
        office.trust.check(lab, THE_FAR.sign_public, proven=True, now=1.0)
        lies.tell(2, home=FALSE, lab=FALSE, far=FALSE, office=FALSE, hub=FALSE)
        await wait_until(lambda: lies.asked > asked + 2)
        assert known(office, HOME, TRUE) == "accepted"
        assert known(office, lab, THE_FAR) == "linked"
        assert known(office, HUB, THE_HUB) == "accepted"
        for name in (HOME, lab, HUB, OFFICE):
            assert known(office, name, FALSE) == "hearsay"
        office.trust.check(FAR, THE_FAR.sign_public, proven=False, now=2.0)
        assert known(office, FAR, FALSE) == "introduced"  # that is what it can do


async def test_a_list_that_makes_no_sense_is_counted_and_dropped() -> None:
    lies = LyingPlugin(-1)
    async with lied_to(lies) as office:
        await wait_until(lambda: office.counters["bad_introductions"] >= 2)
        assert not office.state.read(INTRODUCTIONS)


# --- which lists count


@asynccontextmanager
async def desk(**named: Identity) -> AsyncIterator[tuple[Node, Introductions]]:
    """Run office alone, with introducers that it knows by nothing yet."""
    async with make_node("office") as office:
        table = Introductions(office)
        table.name(NamedKeys.parse(introducers(**named)))
        yield office, table


def vouch(node: Node, name: NodeId, of: Identity) -> None:
    node.trust.insist(name, of.sign_public, now=1.0)


@pytest.mark.parametrize("way", ["hearsay", "linked", "introduced", "invited", "accepted"])
async def test_an_introducer_counts_under_an_accepted_or_invited_key_alone(way: Known) -> None:
    async with desk(hub=THE_HUB) as (office, table):
        trust, key = office.trust, THE_HUB.sign_public
        if way == "invited":
            vouch(office, HUB, THE_HUB)
        else:
            trust.check(HUB, key, proven=way == "linked", now=1.0)
        if way == "introduced":
            trust.introduce({HUB: key}, now=2.0)
        if way == "accepted":
            trust.accept(HUB, fingerprint(key))
        assert known(office, HUB, THE_HUB) == way
        assert table.key_of(HUB) == (key if way in ("accepted", "invited") else None)


async def test_a_node_that_only_has_an_introducers_name_counts_for_nothing() -> None:
    async with desk(hub=THE_HUB) as (office, table):
        vouch(office, HUB, FALSE)  # a person erred, and the table is right
        assert table.key_of(HUB) is None
        table.take(HUB, FALSE.sign_public, 1, {HOME: FALSE.sign_public})
        assert table.agreed() == {}


async def test_a_list_under_another_key_than_the_introducers_counts_for_nothing() -> None:
    async with desk(hub=THE_HUB) as (office, table):
        table.take(HUB, FALSE.sign_public, 2**40, {HOME: FALSE.sign_public})
        vouch(office, HUB, THE_HUB)
        assert table.agreed() == {}
        table.take(HUB, THE_HUB.sign_public, 1, {HOME: TRUE.sign_public})
        assert table.agreed() == {HOME: TRUE.sign_public}


async def test_an_introducers_new_key_counts_where_this_node_saw_the_old_one_sign() -> None:
    async with desk(hub=THE_HUB) as (office, table):
        vouch(office, HUB, THE_HUB)
        table.take(HUB, THE_HUB.sign_public, 5, {HOME: TRUE.sign_public})
        new = identity("hub, later")
        office.trust.succeed(HUB, new.sign_public, now=2.0)
        assert table.key_of(HUB) == new.sign_public
        assert table.agreed() == {HOME: TRUE.sign_public}
        with pytest.raises(RemoteProtocolError, match="list 4 of hub's"):
            table.take(HUB, new.sign_public, 4, {})
        table.take(HUB, new.sign_public, 6, {})
        assert table.agreed() == {}


async def test_earlier_keys_that_a_record_claims_make_nobody_an_introducer() -> None:
    async with desk(hub=THE_HUB) as (office, table):
        vouch(office, HUB, FALSE)
        office.trust.learn_past(HUB, FALSE.sign_public, (THE_HUB.sign_public,), now=2.0)
        assert table.key_of(HUB) is None


@pytest.mark.parametrize("number", [0, 4, 5])
async def test_a_stale_list_changes_nothing_also_after_a_restart(number: int) -> None:
    async with desk(hub=THE_HUB) as (office, first):
        vouch(office, HUB, THE_HUB)
        key = THE_HUB.sign_public
        first.take(HUB, key, 5, {HOME: TRUE.sign_public})
        again = Introductions(office)  # as the next start reads it
        again.name(NamedKeys.parse(introducers(hub=THE_HUB)))
        for table in (first, again):
            with pytest.raises(RemoteProtocolError) as caught:
                table.take(HUB, key, number, {HOME: FALSE.sign_public})
            assert caught.value.reason == "old_introductions"
            assert table.agreed() == {HOME: TRUE.sign_public}
        again.take(HUB, key, 5, {HOME: TRUE.sign_public})  # the same once more


async def test_a_stale_list_stays_stale_when_its_introducer_was_out_of_the_table() -> None:
    async with desk(hub=THE_HUB) as (office, table):
        vouch(office, HUB, THE_HUB)
        table.take(HUB, THE_HUB.sign_public, 5, {HOME: TRUE.sign_public})
        table.name(NamedKeys())
        assert table.agreed() == {}
        table.name(NamedKeys.parse(introducers(hub=THE_HUB)))
        with pytest.raises(RemoteProtocolError):
            table.take(HUB, THE_HUB.sign_public, 4, {HOME: FALSE.sign_public})


async def test_names_that_introducers_differ_about_are_introduced_by_none() -> None:
    async with desk(hub=THE_HUB, far=THE_FAR) as (office, table):
        vouch(office, HUB, THE_HUB)
        vouch(office, FAR, THE_FAR)
        lab = NodeId("lab")
        keys = {HOME: TRUE.sign_public, lab: TRUE.sign_public}
        table.take(HUB, THE_HUB.sign_public, 1, keys)
        table.take(FAR, THE_FAR.sign_public, 1, {**keys, HOME: FALSE.sign_public})
        assert table.agreed() == {lab: TRUE.sign_public}


async def test_nobody_introduces_this_node_or_an_introducer() -> None:
    async with desk(hub=THE_HUB, far=THE_FAR) as (office, table):
        vouch(office, HUB, THE_HUB)
        lies = {OFFICE: FALSE.sign_public, FAR: FALSE.sign_public, HUB: FALSE.sign_public}
        table.take(HUB, THE_HUB.sign_public, 1, {**lies, HOME: TRUE.sign_public})
        assert table.agreed() == {HOME: TRUE.sign_public}


async def test_stored_lists_that_are_damaged_are_named() -> None:
    state = MemoryState()
    state.write(INTRODUCTIONS, {"hub": {"key": 7}})
    with pytest.raises(StartError, match=r"introductions .* is damaged"):
        async with make_node("office", state=state):
            pass


# --- what is told


async def test_a_node_vouches_for_accepted_and_invited_keys_and_no_others() -> None:
    """What was introduced to it is not passed on."""
    async with make_node("hub") as hub:
        trust = hub.trust
        trust.check(NodeId("heard"), TRUE.sign_public, proven=False, now=1.0)
        trust.check(NodeId("linked"), TRUE.sign_public, proven=True, now=1.0)
        trust.check(NodeId("introduced"), FALSE.sign_public, proven=False, now=1.0)
        trust.introduce({NodeId("introduced"): FALSE.sign_public}, now=1.0)
        assert known(hub, NodeId("introduced"), FALSE) == "introduced"
        vouch(hub, NodeId("invited"), THE_FAR)
        trust.check(NodeId("accepted"), THE_HUB.sign_public, proven=False, now=1.0)
        trust.accept(NodeId("accepted"), fingerprint(THE_HUB.sign_public))
        [part] = Vouching(hub).parts()
        assert part["names"] == introducers(accepted=THE_HUB, invited=THE_FAR)
        hub.revocations.make(NodeId("invited"), THE_FAR.sign_public)
        [part] = Vouching(hub).parts()
        assert part["names"] == introducers(accepted=THE_HUB)


async def test_the_number_grows_with_each_change_and_over_restarts() -> None:
    wall = Wall()
    async with make_node("hub", clock=Clock(wall=wall)) as hub:
        vouching = Vouching(hub)
        numbers = []
        for word in ("a", "b", "c"):
            vouch(hub, NodeId(word), identity(word))
            [part] = vouching.parts()
            numbers.append(part["number"])
        assert numbers == sorted(set(numbers))
        [again] = Vouching(hub).parts()
        assert again["number"] == numbers[-1]
        hub.state.write(VOUCHED, {"number": 7, "names": {}})  # the folder was put back
        wall.now += 1
        [later] = Vouching(hub).parts()
        assert later["number"] > numbers[-1]


# --- bounds, and what is malformed


@pytest.mark.bound("clawmatrix_mesh.members.introductions.INTRODUCED_MOST")
async def test_a_list_with_more_names_than_can_be_is_refused_whole() -> None:
    async with make_node("hub", identity=THE_HUB) as hub:
        for n in range(INTRODUCED_MOST + 1):
            hub.trust.insist(NodeId(f"n{n:04}"), TRUE.sign_public, now=1.0)
        number: int | None = None
        names: dict[NodeId, bytes] = {}
        for part in Vouching(hub).parts():
            number, names = join_parts(number, names, part)
        assert len(names) == INTRODUCED_MOST
        with pytest.raises(RemoteProtocolError, match=f"more than {INTRODUCED_MOST}") as caught:
            join_parts(number, names, {"number": number, "names": introducers(one_more=TRUE)})
        assert caught.value.reason == "bad_introductions"


@pytest.mark.parametrize(
    "part",
    [
        None,
        [],
        {},
        {"number": -1, "names": {}},
        {"number": 2**53, "names": {}},
        {"number": 1.5, "names": {}},
        {"number": "1", "names": {}},
        {"number": 1, "names": []},
        {"number": 1, "names": {"home": 1}},
        {"number": 1, "names": {"home": "ed25519:AAAA"}},
        {"number": 1, "names": {"no name": key_text(TRUE.sign_public)}},
        {"number": 1, "names": {f"n{n}": key_text(TRUE.sign_public) for n in range(65)}},
        {"number": 2, "names": {}},
        {"number": 1, "names": {"hub": key_text(FALSE.sign_public)}},
    ],
)
def test_a_part_that_makes_no_sense_is_refused(part: Any) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        join_parts(1, {HUB: THE_HUB.sign_public}, part)
    assert caught.value.reason == "bad_introductions"
