"""Records come in by turns, in a bounded number, and nobody's flood stops the others'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.members.intake import QUEUE_LIMIT, Intake
from clawmatrix_mesh.members.pace import Pace

if TYPE_CHECKING:
    from clawmatrix_core.wire.link import Link


@attrs.define(eq=False)
class Brings:
    """What of a link is looked at."""

    peer: NodeId
    closing: str | None = None


@attrs.define
class Station:
    """An intake, what it took, and what it refused; time stands still."""

    taken: list[tuple[str, Any]] = attrs.field(factory=list)
    refused: list[tuple[str, str]] = attrs.field(factory=list)

    def intake(self) -> Intake:
        def take(value: Any, link: Link) -> None:
            self.taken.append((link.peer, value))

        def refuse(peer: NodeId, reason: str, message: str) -> None:
            self.refused.append((peer, reason))

        return Intake(lambda: 0.0, take, refuse)


def link(name: str) -> Link:
    return cast("Link", Brings(NodeId(name)))


def test_a_few_records_are_taken_at_once_and_in_order() -> None:
    station = Station()
    station.intake().put(link("home"), list(range(100)))
    assert station.taken == [("home", number) for number in range(100)]


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_few_long_records_are_taken_at_once_however_many_come(count: int) -> None:
    station = Station()
    intake = station.intake()
    intake.put(link("mallory"), [{"record": "x" * 13_000}] * count)
    assert len(station.taken) == 6
    assert len(intake) == count - 6


@pytest.mark.bound("clawmatrix_mesh.members.intake.QUEUE_LIMIT")
def test_more_than_can_wait_is_refused_once_for_each_message() -> None:
    station = Station()
    intake, mallory = station.intake(), link("mallory")
    intake.put(mallory, list(range(3 * QUEUE_LIMIT)))
    intake.put(mallory, list(range(10)))
    assert station.refused == [("mallory", "too_many_records")] * 2
    assert len(intake) == QUEUE_LIMIT
    assert len(station.taken) < 1000


@pytest.mark.anyio
async def test_what_waits_is_taken_by_turns_and_in_order() -> None:
    station = Station()
    intake, mallory, home = station.intake(), link("mallory"), link("home")
    intake.put(mallory, list(range(2000)))
    at_once = len(station.taken)
    intake.put(home, list(range(300)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(intake.run)
        await wait_until(lambda: sum(peer == "home" for peer, _ in station.taken) == 300)
        of_mallory = [value for peer, value in station.taken if peer == "mallory"]
        assert len(of_mallory) < at_once + 300  # no more turns than home had
        await wait_until(lambda: not len(intake))
        tasks.cancel_scope.cancel()
    for name, count in (("mallory", 2000), ("home", 300)):
        assert [value for peer, value in station.taken if peer == name] == list(range(count))


@pytest.mark.anyio
async def test_what_a_link_brought_that_is_closed_is_dropped() -> None:
    station = Station()
    intake = station.intake()
    gone = Brings(NodeId("mallory"))
    intake.put(cast("Link", gone), list(range(2000)))
    gone.closing = "gone"
    at_once = len(station.taken)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(intake.run)
        await wait_until(lambda: not len(intake))
        tasks.cancel_scope.cancel()
    assert len(station.taken) == at_once


def test_a_pace_is_for_each_key_and_forgets_who_rested() -> None:
    now = 0.0
    pace = Pace(3, 1.0, lambda: now)
    assert [pace.admit("a") for _ in range(5)] == [True, True, True, False, False]
    assert pace.admit("b")
    now = 1.5
    assert [pace.admit("a") for _ in range(3)] == [True, False, False]
    pace.tick()
    assert len(pace) == 1
    now = 10.0
    pace.tick()
    assert len(pace) == 0
