"""Tests of events: their order, and what one that hangs costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from trio.testing import MockClock

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.events import WAITING
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

VIRTUAL_TIME = pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["virtual"]
)


def alone(
    node_factory: NodeFactory, *plugins: object, watchdog: bool = False, **options: Any
) -> Node:
    """Return a node without links."""
    return node_factory("home", built_in=(), plugins=plugins, watchdog=watchdog, **options)


class HangsOnEvents:
    def __init__(self) -> None:
        self.calls = 0

    @hookimpl
    async def offers_changed(self) -> None:
        self.calls += 1
        await anyio.sleep_forever()


class CountsEvents:
    def __init__(self) -> None:
        self.times: list[float] = []

    @hookimpl
    async def offers_changed(self) -> None:
        self.times.append(anyio.current_time())


@pytest.mark.faults_expected
@VIRTUAL_TIME
async def test_a_plugin_that_hangs_delays_events_and_is_taken_out(
    node_factory: NodeFactory,
) -> None:
    counts, hangs = CountsEvents(), HangsOnEvents()
    async with alone(node_factory, counts, hangs) as node:
        began = anyio.current_time()
        for _ in range(5):
            node.offers_changed()
        await wait_until(lambda: len(counts.times) == 5, limit=100)
        assert [at - began for at in counts.times] == pytest.approx([10, 20, 30, 30, 30], abs=0.1)
        assert hangs.calls == 3
        info = node.plugins.get("HangsOnEvents")
        assert info is not None
        assert info.state == "failed"
        assert info.reason is not None
        assert "offers_changed: Overrun: took over 10 s" in info.reason


async def test_events_that_wait_when_the_node_stops_are_dropped(node_factory: NodeFactory) -> None:
    hangs, counts = HangsOnEvents(), CountsEvents()
    with anyio.fail_after(5):
        async with alone(node_factory, counts, hangs) as node:
            node.offers_changed()
            node.offers_changed()
            await wait_until(lambda: hangs.calls == 1)
    assert counts.times == []
    node.offers_changed()  # after the end it has no effect


@pytest.mark.bound("clawmatrix_core.kernel.events.WAITING")
async def test_events_that_wait_are_bounded_and_the_oldest_are_left_out(
    node_factory: NodeFactory,
) -> None:
    counts = CountsEvents()
    async with alone(node_factory, counts) as node:
        for _ in range(WAITING + 10):
            node.offers_changed()
        await wait_until(lambda: len(counts.times) >= WAITING)
        assert len(counts.times) == WAITING
        assert 10 <= node.counters["events_left_out"] < 20  # links and records have events too
