"""The trace of hooks: what a line says, and that nothing is replaced without it."""

from __future__ import annotations

import io
import logging
import re
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from clawmatrix_core import hookspecs
from clawmatrix_core.base.log import configure_logging
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.loading.manager import PluginManager
from clawmatrix_core.loading.tracing import TracedImpl
from clawmatrix_core.wire.codec import Header
from clawmatrix_core.wire.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core.config.config import ConfigSection
    from clawmatrix_core.kernel.node import Node

NODE: Any = object()


@pytest.fixture
def tracing() -> Iterator[None]:
    """Log the component ``hooks`` at ``debug``, as CLAWMATRIX_LOG=hooks:debug does."""
    logger = logging.getLogger("clawmatrix.hooks")
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(logging.NOTSET)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the trace with its times left out."""
    said = [r.getMessage() for r in caplog.records if r.name == "clawmatrix.hooks"]
    return [re.sub(r"\d+\.\d{3} ms", "T ms", line) for line in said]


class Dice:
    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return []

    @hookimpl
    def register_state_files(self) -> list[Any]:
        raise LookupError("no dice")

    @hookimpl
    async def node_started(self) -> None:
        await anyio.lowlevel.checkpoint()

    @hookimpl
    async def node_stopping(self) -> None:
        await anyio.sleep_forever()

    @hookimpl
    @frame_types("dice_req")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return True


def frame(type_: str) -> Frame:
    header = Header(type=type_, id="1", source=NodeId("a"), to=NodeId("b"), timestamp=0)
    return Frame(header, None, None, 0)


@pytest.mark.anyio
@pytest.mark.usefixtures("tracing")
async def test_each_call_is_a_line_with_plugin_time_and_outcome(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = PluginRegistry(budget=0.01)
    registry.add(Dice())
    registry.config_sections()
    registry.state_files()
    await registry.hooks.notify(hookspecs.node_started, NODE)
    await registry.hooks.notify(hookspecs.node_stopping, NODE)
    told = lines(caplog)
    assert told[:3] == [
        "register_config of Dice: T ms, returned a list of 0",
        "register_state_files of Dice: T ms, raised LookupError",
        "node_started of Dice: T ms, returned None",
    ]
    assert re.fullmatch(r"node_stopping of Dice: T ms, was ended by Cancel\w+", told[3])
    assert registry.list()[0].faults == 2


@pytest.mark.usefixtures("tracing")
def test_frames_still_go_by_their_types(caplog: pytest.LogCaptureFixture) -> None:
    registry = PluginRegistry()
    registry.add(Dice())
    assert registry.hooks.frame(NODE, frame("dice_req"))
    assert not registry.hooks.frame(NODE, frame("other"))
    assert lines(caplog) == ["frame_received of Dice: T ms, returned True"]


def test_without_the_trace_implementations_are_those_of_pluggy() -> None:
    logging.getLogger("clawmatrix").setLevel(logging.DEBUG)
    try:
        manager = PluginManager()  # a level for all components is not enough
    finally:
        logging.getLogger("clawmatrix").setLevel(logging.NOTSET)
    manager.register(Dice(), "dice")
    [impl] = manager.calling_order("node_started")
    assert not isinstance(impl, TracedImpl)


def test_the_variable_of_the_environment_switches_the_trace_on() -> None:
    log = io.StringIO()
    environ = {"CLAWMATRIX_LOG": "hooks:debug"}
    handler = configure_logging(None, json=False, stream=log, environ=environ)
    try:
        registry = PluginRegistry()
        registry.add(Dice())
        registry.config_sections()
    finally:
        handler.close()
    assert re.search(r" D hooks: register_config of Dice: \d+\.\d{3} ms, returned", log.getvalue())
