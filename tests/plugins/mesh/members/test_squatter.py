"""A member that goes by another's name, over real sockets and a real relay.

Home and office never link: all that office knows of home is what the relay has told. The squatter
is a member like any other, whose node calls itself home and has copied the word of home's run.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from random import Random, SystemRandom
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from clawmatrix_core.base.errors import ExchangeError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.members.identity import Identity, fingerprint, key_text
from clawmatrix_core.members.record import NodeRecord, SignedRecord
from clawmatrix_core.members.succession import rotate
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import call_control
from tests.core.members.members import base64_of
from tests.plugins.mesh.conftest import address_of, make_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame

pytestmark = pytest.mark.anyio

HOME = NodeId("home")
TRUE = Identity.generate(Random("home").randbytes)
FALSE = Identity.generate(Random("squatter").randbytes)
AT_ONCE = 1.0
"""Seconds within which nothing of the squatter's is left."""


class CopiedWord(SystemRandom):
    """Has a node call its run by another's word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word: int | None = int(word, 16)

    def getrandbits(self, bits: int, /) -> int:
        word, self._word = self._word, None
        return super().getrandbits(bits) if word is None else word


@attrs.define
class Visit:
    """An exchange at the desk: who came, and whether it is still there."""

    peer: NodeId
    key: bytes | None
    frame_key: bytes
    said: list[object] = attrs.field(factory=list)
    over: bool = False


class DeskPlugin:
    """Answers what is said at it, for as long as the other end is there."""

    plugin_name = "desk"

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self._frame_key = b""

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Be ready to answer."""
        self._scope = scope

    @hookimpl
    @frame_types("desk")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        """Open a visit."""
        self._frame_key = frame.peer_key
        return node.accept(frame, self._serve, self._scope)

    async def _serve(self, ex: Exchange) -> None:
        visit = Visit(ex.peer, ex.peer_key, self._frame_key)
        self.visits.append(visit)
        try:
            await ex.send({"welcome": ex.peer})
            async for word in ex:
                visit.said.append(word)
                await ex.send(word)
        finally:
            visit.over = True


@attrs.define
class Scene:
    """Office with its desk, and the relay; home is not there yet.

    ``word`` is the word of the run that the real home will have.
    """

    hub: Node
    office: Node
    desk: DeskPlugin
    home: Node
    state: MemoryState

    def squatter(self, identity: Identity = FALSE) -> Node:
        """Return a node that goes by home's name, with home's word, over the relay."""
        return make_node(
            "home",
            identity=identity,
            random_source=CopiedWord(self.home.instance),
            peers=[address_of(self.hub)],
            plugins=("relay", DeskPlugin()),
            direct=False,
        )

    async def is_known_by(self, key: bytes) -> None:
        """Wait until office knows home by a key, and has a way to it."""
        office = self.office

        def known() -> bool:
            peer = office.directory.get(HOME)
            if peer is None or peer.record.sign_key_bytes() != key:
                return False
            return office.reachable(HOME)

        await wait_until(known)

    def sessions_under(self, key: bytes) -> int:
        """Return how many sessions office has with whoever has a key."""
        return sum(session.peer_key == key for session in self.office.sessions.all)

    async def is_rid_of(self, key: bytes) -> None:
        """Wait until office has nothing open with a key, which has to be so at once."""
        await wait_until(
            lambda: (
                not self.sessions_under(key)
                and all(visit.over for visit in self.desk.visits if visit.key == key)
                and not [end for end in self.office.exchanges.live if end.sending.peer_key == key]
            ),
            limit=AT_ONCE,
        )

    async def stays_rid_of(self, squatter: Node) -> None:
        """Have the squatter try again, in vain."""
        with pytest.raises(ExchangeError):
            async with squatter.exchange("office", "desk", {}, deadline=1.5) as again:
                await again.receive()
        assert len(self.desk.visits) == 1
        assert not self.sessions_under(FALSE.sign_public)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """Run the relay, and office, which links to nobody else."""
    desk, state = DeskPlugin(), MemoryState()
    state.write("identity", TRUE.to_json())
    async with (
        make_node("hub") as hub,
        make_node(
            "office", plugins=("relay", desk), peers=[address_of(hub)], direct=False
        ) as office,
    ):
        home = make_node(
            "home",
            state=state,
            plugins=("relay", DeskPlugin()),
            peers=[address_of(office)],
            direct=False,
        )
        yield Scene(hub, office, desk, home, state)


@asynccontextmanager
async def squatted() -> AsyncIterator[tuple[Scene, Node, Exchange]]:
    """Have the squatter talk at office's desk, over the relay."""
    async with scene() as found, found.squatter() as squatter:
        await found.is_known_by(FALSE.sign_public)
        await wait_until(lambda: squatter.reachable("office"))
        async with squatter.exchange("office", "desk", {"i am": "home"}) as talk:
            assert await talk.receive() == {"welcome": "home"}
            assert HOME not in found.office.links, "it was to come over the relay"
            assert squatter.instance == found.home.instance
            yield found, squatter, talk


async def test_what_is_said_has_the_key_of_who_says_it_not_the_names() -> None:
    async with squatted() as (found, _, talk):
        [visit] = found.desk.visits
        assert (visit.peer, visit.key, visit.frame_key) == (
            HOME,
            FALSE.sign_public,
            FALSE.sign_public,
        )
        assert talk.peer_key == found.office.identity.sign_public


async def test_a_squatters_session_ends_when_the_real_home_is_pinned() -> None:
    async with squatted() as (found, squatter, talk):
        async with found.home as home:
            await wait_until(lambda: found.office.trust.keys(HOME)[:1] == (TRUE.sign_public,))
            await found.is_rid_of(FALSE.sign_public)
            await talk.send({"order": "from the squatter"})
            with pytest.raises(ExchangeError):
                async with squatter.exchange("office", "desk", {}, deadline=2) as again:
                    await again.receive()
            async with home.exchange("office", "desk", {}) as own:
                assert await own.receive() == {"welcome": "home"}
            [false, true] = found.desk.visits
        assert (false.key, false.said) == (FALSE.sign_public, [])
        assert true.key == TRUE.sign_public
        assert not found.sessions_under(FALSE.sign_public)


async def test_a_squatters_session_ends_when_its_key_is_forgotten() -> None:
    async with squatted() as (found, _, talk):
        before = {session.id for session in found.office.sessions.all}
        await call_control(found.office, "trust.forget", {"node": "home"})
        await wait_until(lambda: found.desk.visits[0].over, limit=AT_ONCE)
        left = {s.id for s in found.office.sessions.all if s.peer == HOME}
        assert not left & before
        await talk.send({"order": "from the squatter"})
        await anyio.sleep(0.3)  # for which frames of the old session are refused, if they come
        assert found.desk.visits[0].said == []


async def test_a_squatters_session_ends_when_a_person_accepts_the_real_key() -> None:
    async with squatted() as (found, squatter, _):
        found.office.trust.check(HOME, TRUE.sign_public, proven=False, now=1.0)
        print_of_home = fingerprint(TRUE.sign_public)
        about = {"node": "home", "fingerprint": print_of_home}
        await call_control(found.office, "trust.accept", about)
        await found.is_rid_of(FALSE.sign_public)
        await found.stays_rid_of(squatter)


async def test_a_squatter_that_linked_loses_its_link_with_its_key() -> None:
    async with scene() as found:
        impostor = make_node(
            "home",
            identity=FALSE,
            random_source=CopiedWord(found.home.instance),
            peers=[address_of(found.office)],
            plugins=("relay",),
        )
        async with impostor:
            await wait_until(lambda: HOME in found.office.links)
            link = found.office.links[HOME]
            async with impostor.exchange("office", "desk", {}) as talk:
                await talk.receive()
                found.office.trust.insist(HOME, TRUE.sign_public, now=2.0)
                await found.is_rid_of(FALSE.sign_public)
                assert link.closing is not None


async def test_what_was_asked_of_a_squatter_is_not_asked_of_the_real_home() -> None:
    async with squatted() as (found, _, _):
        office = found.office
        async with office.exchange("home", "desk", {"for": "the squatter"}) as asked:
            assert await asked.receive() == {"welcome": "office"}
            assert asked.peer_key == FALSE.sign_public
            async with found.home as home:
                await wait_until(lambda: office.trust.keys(HOME)[:1] == (TRUE.sign_public,))
                with pytest.raises(ExchangeError, match="by that key"), anyio.fail_after(AT_ONCE):
                    await asked.receive()
                async with office.exchange("home", "desk", {"for": "home"}) as anew:
                    assert await anew.receive() == {"welcome": "office"}
                    assert anew.peer_key == TRUE.sign_public
                [desk] = [one.plugin for one in home.plugins.list() if one.name == "desk"]
                assert isinstance(desk, DeskPlugin)
                assert len(desk.visits) == 1


async def test_a_guest_that_calls_itself_home_has_the_key_of_a_guest() -> None:
    async with scene() as found:
        name = NodeId("guest")
        async with make_node(
            "guest", identity=FALSE, peers=[address_of(found.hub)], direct=False
        ) as guest:
            await wait_until(lambda: guest.reachable("office") and found.office.reachable(name))
            async with guest.exchange("office", "desk", {}) as talk:
                await talk.receive()
        async with found.squatter() as again:
            await found.is_known_by(FALSE.sign_public)
            await wait_until(lambda: again.reachable("office"))
            async with again.exchange("office", "desk", {}) as talk:
                await talk.receive()
        assert [visit.peer for visit in found.desk.visits] == ["guest", "home"]
        assert {visit.key for visit in found.desk.visits} == {FALSE.sign_public}


async def test_a_squatters_session_ends_when_the_real_key_is_introduced() -> None:
    async with squatted() as (found, _, _):
        assert found.office.trust.introduce({HOME: TRUE.sign_public}, now=2.0) == [HOME]
        await found.is_rid_of(FALSE.sign_public)


async def test_neither_a_session_nor_a_link_proves_a_squatters_name() -> None:
    text = key_text(FALSE.sign_public)
    async with squatted() as (found, squatter, _):
        assert found.office.trust.proven_since(HOME) is not None  # a session proved the key
        assert found.office.trust.how_known(HOME, text) == "hearsay"
        assert found.hub.trust.how_known(HOME, text) == "linked"
        assert squatter.id == HOME


async def test_sessions_of_a_rotated_key_end_although_the_run_has_the_same_word() -> None:
    async with squatted() as (found, squatter, _):
        state = MemoryState()
        state.write("identity", FALSE.to_json())
        _, new = rotate(state, "home", 1)
        found.office.trust.succeed(HOME, new.sign_public, now=3.0)
        await found.is_rid_of(FALSE.sign_public)
        await found.stays_rid_of(squatter)
        assert squatter.instance == found.home.instance


async def test_a_revoked_key_has_no_session_left_although_its_record_has_gone() -> None:
    async with squatted() as (found, _, _):
        found.office.directory.forget(HOME)
        assert found.sessions_under(FALSE.sign_public)
        assert found.office.expel(FALSE.sign_public) == ["home"]
        await found.is_rid_of(FALSE.sign_public)


@asynccontextmanager
async def borrowed() -> AsyncIterator[tuple[Scene, Node, DeskPlugin]]:
    """Have office know home by the squatter's key, with the channel key of the real home."""
    async with scene() as found:
        record = NodeRecord(
            node_id=HOME,
            sign_key=base64_of(FALSE.sign_public),
            channel_key=base64_of(TRUE.channel_public),
            epoch=9,
            seq=9,
            instance=found.home.instance,
            links={NodeId("hub"): 1.0},
            features=NodeRecord.CORE_FEATURES,
        )
        found.office.accept_record(SignedRecord.make(record, FALSE))
        desk = DeskPlugin()
        async with make_node(
            "home",
            state=found.state,
            plugins=("relay", desk),
            peers=[address_of(found.hub)],
            direct=False,
        ) as home:
            await wait_until(lambda: home.reachable("office") and found.office.reachable(HOME))
            assert found.office.trust.keys(HOME)[:1] == (FALSE.sign_public,)
            yield found, home, desk


async def test_a_record_with_homes_channel_key_gets_no_call_of_the_real_home() -> None:
    async with borrowed() as (found, home, _):
        with suppress(ExchangeError):
            async with home.exchange("office", "desk", {}, deadline=1.5) as ex:
                await ex.receive()
        assert not found.desk.visits
        assert found.office.counters["session_key"]


async def test_a_record_with_homes_channel_key_gets_no_call_to_the_real_home() -> None:
    async with borrowed() as (found, home, desk):
        with suppress(ExchangeError):
            async with found.office.exchange("home", "desk", {}, deadline=1.5) as ex:
                await ex.receive()
        assert not desk.visits
        assert home.counters["session_key"] + found.office.counters["session_key"]
