"""A malicious relay sends again what it saw, elsewhere, the other way, and after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.mesh.mallory import HOME, LAB, OFFICE, Caught, Mallory, pass_on, scene
from tests.plugins.mesh.wire import record_of, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugins.mesh.mallory import Act, Scene

pytestmark = pytest.mark.anyio


def each(wanted: Callable[[Caught], bool], more: Act) -> tuple[Act, list[Caught]]:
    """Return what passes everything on and does more with what is wanted, and a list of that."""
    done: list[Caught] = []

    def act(mallory: Mallory, caught: Caught) -> None:
        pass_on(mallory, caught)
        if wanted(caught):
            done.append(caught)
            more(mallory, caught)

    return act, done


def thrice(mallory: Mallory, caught: Caught) -> None:
    pass_on(mallory, caught)
    pass_on(mallory, caught)


async def test_a_frame_sent_again_is_a_replay(caplog: pytest.LogCaptureFixture) -> None:
    act, done = each(lambda caught: caught.sealed and caught.header.to == OFFICE, thrice)
    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        await found.counted("office", "replay", 2 * len(done))
        assert found.nodes["office"].counters["replay"] == 2 * len(done)
        assert found.logged("a replay of body") == 1
        await found.is_well()


async def test_a_whole_letter_sent_again_is_not_read_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        begin = len(found.mallory.caught)
        assert await found.letter()
        letter = found.mallory.caught[begin:]
        for caught in letter:
            pass_on(found.mallory, caught)
        for to in ("home", "office"):
            sent = sum(caught.header.to == to for caught in letter)
            assert sent > 12
            await found.counted(to, "replay", sent)
        await found.is_well()
        assert [len(parts) for parts in found.letters["office"].read.values()] == [1, 1, 1]


async def test_openings_sent_again_make_no_session_and_harm_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinds = ("session_open", "session_accept")
    act, done = each(lambda caught: caught.header.type in kinds, thrice)
    async with scene(caplog, act) as found:
        for kind, reason in zip(kinds, ("session_repeat", "session_stray"), strict=True):
            sent = sum(caught.header.type == kind for caught in done)
            assert sent >= 2
            await found.counted_by_all(reason, 2 * sent)
        assert found.logged("once more") >= 1
        await found.is_well()


@pytest.mark.parametrize(
    ("source", "to"), [("home", "office"), ("office", "home")], ids=["there", "back"]
)
async def test_a_frame_sent_back_the_way_it_came_goes_nowhere(
    caplog: pytest.LogCaptureFixture, source: str, to: str
) -> None:
    def send_back(mallory: Mallory, caught: Caught) -> None:
        mallory.deliver(source, caught.message)

    act, done = each(lambda caught: caught.sealed and caught.way == (source, to), send_back)
    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        await found.counted(source, "undeliverable_loop", len(done))
        assert found.logged("got no further: loop") == 1
        await found.is_well()


@pytest.mark.parametrize(
    "fields",
    [{"to": "home", "from_": "office"}, {"to": "home"}, {"to": "home", "from_": "mallory"}],
    ids=["swapped", "to itself", "from the relay"],
)
async def test_a_body_turned_round_is_forged(
    caplog: pytest.LogCaptureFixture, fields: dict[str, str]
) -> None:
    def turn(mallory: Mallory, caught: Caught) -> None:
        mallory.deliver("home", caught.with_fields(**fields))

    act, done = each(lambda caught: caught.sealed and caught.way == (HOME, OFFICE), turn)
    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        # The other direction has keys of its own; a counter it has seen is a replay first.
        await wait_until(lambda: found.refused("home", ["forged", "replay"]) >= len(done))
        assert len(done) > 12
        await found.is_well()


async def test_a_body_for_one_node_in_a_frame_for_another_is_not_opened(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        begin = len(found.mallory.caught)
        assert await found.letter("home", "lab")
        for_lab = [one for one in found.mallory.caught[begin:] if one.way == (HOME, LAB)]

        def swap(mallory: Mallory, caught: Caught) -> None:
            if for_lab:
                mallory.deliver("office", caught.with_body(for_lab.pop().body))

        act, done = each(lambda caught: caught.sealed and caught.way == (HOME, OFFICE), swap)
        found.mallory.act = act
        sent = len(for_lab)
        assert await found.letter()
        await found.counted("office", "unknown_session", min(sent, len(done)))
        assert found.logged("a session that is not known here") == 1
        await found.is_well()


async def test_an_opening_for_one_node_opens_nothing_at_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def to_lab(mallory: Mallory, caught: Caught) -> None:
        mallory.deliver("lab", caught.with_fields(to="lab"))

    wanted = {("home", "office"), ("office", "home")}
    act, done = each(lambda one: one.header.type == "session_open" and one.way in wanted, to_lab)
    async with scene(caplog, act) as found:
        assert done
        await found.counted("lab", "forged", len(done))
        await found.is_well()


async def test_nothing_of_before_a_restart_is_taken_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        assert await found.letter()
        for_office = [one for one in found.mallory.caught if one.header.to == OFFICE]
        await found.restart("office")
        begin = len(for_office)
        for caught in for_office:
            pass_on(found.mallory, caught)
        sealed = sum(caught.sealed for caught in for_office)
        assert sealed > 40
        await found.counted("office", "unknown_session", sealed)
        openings = [one for one in for_office if one.header.type == "session_open"]
        assert openings, begin
        # Whoever is asked to open a session again, by an old word of theirs, did not ask.
        answers = [("home", "session_stray"), ("lab", "session_stray")]
        await wait_until(lambda: sum(found.refused(n, [r]) for n, r in answers) >= len(openings))
        assert await found.letter()
        assert list(found.letters["office"].read) == [found.number]
        await found.is_well()


async def test_what_was_seen_before_a_restart_is_old_at_the_other_end_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        from_office = [one for one in found.mallory.caught if one.way == (OFFICE, HOME)]
        await found.restart("office")
        assert await found.letter()
        seen = found.refused("home", ["replay", "unknown_session"])
        for caught in from_office:
            if caught.sealed:
                pass_on(found.mallory, caught)
        sealed = sum(caught.sealed for caught in from_office)
        await wait_until(
            lambda: found.refused("home", ["replay", "unknown_session"]) >= seen + sealed
        )
        await found.is_well()


async def test_an_old_record_changes_nothing_and_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        relay = found.mallory.node
        known = relay.directory.get(OFFICE)
        assert known is not None
        await found.restart("office")
        new = relay.directory.get(OFFICE)
        assert new is not None
        assert new.record.epoch > known.record.epoch
        for _ in range(3):
            found.mallory.write("home", "records", [known.signed.to_wire()])
        await found.counted("home", "old_record", 3)
        assert found.logged("an old record") == 1
        at_home = found.nodes["home"].directory.get(OFFICE)
        assert at_home is not None
        assert at_home.record.epoch == new.record.epoch
        await found.is_well()


async def test_a_record_in_anothers_name_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(caplog) as found:
        thief = found.mallory.node.identity
        office = found.nodes["office"]
        own_key = record_of("office", thief, epoch=2**53 - 1)
        their_key = record_of("office", office.identity, epoch=2**53 - 1)
        for record, reason in ((own_key, "pin_conflict"), (their_key, "forged_record")):
            found.mallory.write("home", "records", [signed(record, thief)])
            await found.counted("home", reason)
        known = found.nodes["home"].directory.get(OFFICE)
        assert known is not None
        assert known.record.epoch == 1
        await found.is_well()


async def everything_again(found: Scene) -> None:
    """Send all that was ever caught once more, to everybody it was for."""
    for caught in tuple(found.mallory.caught):
        pass_on(found.mallory, caught)
        await anyio.lowlevel.checkpoint()


async def test_all_of_it_again_and_again_is_no_letter_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        for _ in range(3):
            await everything_again(found)
            assert await found.letter()
        opened = [times for one in found.letters.values() for times in one.read.values()]
        assert {len(times) for times in opened} == {1}
        assert found.refused_by_all("replay") > 300
        await found.is_well()
