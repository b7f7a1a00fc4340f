"""A malicious relay drops, delays and reorders: what is read is what was sent, or an error."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import ExchangeError
from tests.plugins.mesh.mallory import HOME, OFFICE, Caught, Mallory, pass_on, scene
from tests.plugins.mesh.relays.letters import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugins.mesh.mallory import Scene

pytestmark = pytest.mark.anyio


DROPPED: dict[str, Callable[[Caught], bool]] = {
    "the opening frame": lambda one: one.header.type == "letter",
    "the first part": lambda one: one.way == (HOME, OFFICE) and one.header.seq == 1,
    "the last frame": lambda one: one.way == (HOME, OFFICE) and one.header.fin,
    "the last answer": lambda one: one.way == (OFFICE, HOME) and one.header.fin,
    "an answer": lambda one: one.way == (OFFICE, HOME) and one.header.type == "data",
}


@pytest.mark.parametrize("wanted", DROPPED.values(), ids=DROPPED)
async def test_a_frame_that_is_dropped_is_sent_again(
    caplog: pytest.LogCaptureFixture, wanted: Callable[[Caught], bool]
) -> None:
    dropped: list[Caught] = []

    def act(mallory: Mallory, caught: Caught) -> None:
        if caught.sealed and not dropped and wanted(caught):
            dropped.append(caught)
        else:
            pass_on(mallory, caught)

    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        assert dropped
        assert await found.letter()
        assert found.refused_by_all("lost") or found.refused_by_all("unknown_exchange")
        await found.is_well()


@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_many_frames_dropped_cost_time_only(
    caplog: pytest.LogCaptureFixture, share: float
) -> None:
    dice = random.Random(share)

    def act(mallory: Mallory, caught: Caught) -> None:
        if dice.random() >= share:
            pass_on(mallory, caught)

    async with scene(caplog) as found:
        found.mallory.act = act
        await found.letter()
        await found.letter("office", "home")
        assert found.refused_by_all("lost") + found.refused_by_all("unknown_exchange")
        await found.is_well()


async def test_a_relay_that_drops_all_is_an_error_and_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        home = found.nodes["home"]
        found.mallory.act = lambda _mallory, _caught: None
        number = found.number = found.number + 1
        letter = await write(home, "office", number)
        assert isinstance(letter.error, ExchangeError)
        assert letter.error.may_have_begun
        found.letters["office"].agrees(letter)
        path = await home.path_status(OFFICE, probe=True)
        assert (path.status, path.reason) == ("unreachable", "no answer over mallory")
        await found.is_well()
        assert (await home.path_status(OFFICE, probe=True)).status == "relay"


async def test_only_the_answers_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    def act(mallory: Mallory, caught: Caught) -> None:
        if caught.way != (OFFICE, HOME):
            pass_on(mallory, caught)

    async with scene(caplog) as found:
        found.mallory.act = act
        assert not await found.letter()
        assert len(found.letters["office"].read[found.number]) == 1
        await found.is_well()


@pytest.mark.parametrize("seconds", [0.1, 0.4])
async def test_frames_that_are_held_back_come_in_order(
    caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    async with scene(caplog) as found, anyio.create_task_group() as tasks:

        async def later(caught: Caught) -> None:
            await anyio.sleep(seconds)
            pass_on(found.mallory, caught)

        def act(_: Mallory, caught: Caught) -> None:
            tasks.start_soon(later, caught)

        found.mallory.act = act
        assert await found.letter()
        assert await found.letter("office", "home")
        await found.is_well()


async def test_frames_held_back_until_all_is_over_begin_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held: list[Caught] = []

    def act(mallory: Mallory, caught: Caught) -> None:
        if caught.sealed:
            held.append(caught)
        else:
            pass_on(mallory, caught)

    async with scene(caplog) as found:
        found.mallory.act = act
        assert not await found.letter(deadline=0.5)
        number = found.number
        found.mallory.act = pass_on
        for caught in held:
            pass_on(found.mallory, caught)
        await found.is_well()
        # It was given up long ago: the cancel and its opening frame came together.
        [parts] = found.letters["office"].read[number] or [[]]
        assert len(parts) <= 12


@pytest.mark.parametrize("hand", [2, 5, 16])
async def test_frames_in_another_order_are_put_right(
    caplog: pytest.LogCaptureFixture, hand: int
) -> None:
    async with scene(caplog) as found:
        shuffled = await reorder(found, hand)
        assert await found.letter()
        assert await found.letter("office", "home")
        assert shuffled() > 2
        assert found.refused_by_all("replay") == 0
        assert found.refused_by_all("forged") == 0
        await found.is_well()


async def reorder(found: Scene, hand: int) -> Callable[[], int]:
    """Have the relay deal frames out backwards, so many at a time; what is left goes soon."""
    held: list[Caught] = []
    dealt = 0

    def deal() -> None:
        nonlocal dealt
        dealt += len(held) > 1
        while held:
            pass_on(found.mallory, held.pop())

    def act(_: Mallory, caught: Caught) -> None:
        held.append(caught)
        if len(held) >= hand:
            deal()

    async def run() -> None:
        while True:
            await anyio.sleep(0.05)
            deal()

    found.mallory.act = act
    found.tasks.start_soon(run)
    return lambda: dealt
