"""Tests of naming who blocks the loop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import (
    ExchangeFailure,
)
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until

if TYPE_CHECKING:
    import logging

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.policy.verdict import Verdict
    from clawmatrix_core.wire.frames import Frame

pytestmark = pytest.mark.anyio


def alone(
    node_factory: NodeFactory, *plugins: object, watchdog: bool = False, **options: Any
) -> Node:
    """Return a node without links."""
    return node_factory("home", built_in=(), plugins=plugins, watchdog=watchdog, **options)


class Blocks:
    """A plugin that blocks the event loop until somebody has noticed."""

    def __init__(self) -> None:
        self.noticed = threading.Event()

    def block(self) -> None:
        assert self.noticed.wait(30)
        self.noticed.clear()


class BlocksInAFrameHook(Blocks):
    @hookimpl
    @frame_types("block")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        self.block()
        return node.refuse(frame, "blocked", "done")


class BlocksInAnEvent(Blocks):
    @hookimpl
    async def offers_changed(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.block()


class BlocksInATask(Blocks):
    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        scope.start_soon(self.wait_and_block, node)

    async def wait_and_block(self, node: Node) -> None:
        await wait_until(lambda: node.counters["go"])
        self.block()


class BlocksInAQuestion(Blocks):
    @hookimpl
    async def authorize(self) -> Verdict | None:
        self.block()
        return None


@pytest.mark.faults_expected
@pytest.mark.parametrize(
    "kind", [BlocksInAFrameHook, BlocksInAQuestion, BlocksInAnEvent, BlocksInATask]
)
async def test_the_watchdog_names_the_plugin_that_blocks_the_loop(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture, kind: type[Blocks]
) -> None:
    blocks = kind()

    class Notice:
        def filter(self, record: logging.LogRecord) -> bool:
            if "blocks the loop" in record.getMessage():
                blocks.noticed.set()
            return True

    caplog.handler.addFilter(Notice())
    async with alone(node_factory, blocks, watchdog=True) as node:
        node.counters["go"] += 1
        node.offers_changed()
        await node.authorize("home", bytes(32), "tool", "bell", None)
        with pytest.raises(ExchangeFailure):
            async with node.exchange(node.id, "block", complete=True) as ex:
                await ex.receive()
        info = node.plugins.get(kind.__name__)
        assert info is not None
        await wait_until(lambda: info.faults == 1)
        assert info.last_fault is not None
        assert info.last_fault.startswith("event loop: Overrun: blocked the event loop for over")
        assert info.state == "active"
        # others' input does not count
        assert bool(info.overruns) == (kind in (BlocksInAnEvent, BlocksInATask))
    assert f"{kind.__name__} blocks the loop for" in caplog.text


async def test_a_host_that_blocks_the_loop_is_no_plugins_fault(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    noticed = threading.Event()

    class Notice:
        def filter(self, record: logging.LogRecord) -> bool:
            if "something blocks the loop" in record.getMessage():
                noticed.set()
            return True

    class Waits:
        @hookimpl
        async def offers_changed(self) -> None:
            waiting.set()
            await anyio.sleep_forever()

    waiting = anyio.Event()
    Waits.__module__ = "elsewhere"
    caplog.handler.addFilter(Notice())
    async with alone(node_factory, Waits(), watchdog=True) as node:
        node.offers_changed()
        await waiting.wait()
        assert noticed.wait(30)
        node._stalls.count()
        assert node_factory.faults() == []
