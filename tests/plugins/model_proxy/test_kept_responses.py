"""What is kept over restarts of responses: ids only, and nothing that cannot be used."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.state.writer import StateWriter
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.kept_responses import INTERVAL, RESPONSES, KeptResponses
from clawmatrix_model_proxy.serving.owners import Place

pytestmark = pytest.mark.anyio


async def test_the_last_change_is_written_as_the_node_stops() -> None:
    state, kept = MemoryState(), KeptResponses()
    async with StateWriter(state) as writer, anyio.create_task_group() as tasks:
        tasks.start_soon(kept.run, writer)
        await anyio.lowlevel.checkpoint()
        kept.asked.remember("resp_1", Target(NodeId("office"), "m", 1))
        kept.owned.note(b"k" * 32, Place("m", "http://one/v1"), ["resp_2"])
        tasks.cancel_scope.cancel()
    again = KeptResponses()
    again.load(state)
    assert again.asked.find("resp_1") == Target(NodeId("office"), "m", 1)
    assert again.owned.find(b"k" * 32, "resp_2") == Place("m", "http://one/v1")
    assert "hello" not in str(state.read(RESPONSES))


async def test_a_change_after_a_quiet_time_is_written_at_once() -> None:
    state, kept = MemoryState(), KeptResponses()
    async with StateWriter(state) as writer, anyio.create_task_group() as tasks:
        tasks.start_soon(kept.run, writer)
        await anyio.lowlevel.checkpoint()
        kept.owned.note(b"k" * 32, Place("m", "http://one/v1"), ["resp_2"])
        await wait_until(lambda: state.read(RESPONSES) is not None, limit=INTERVAL / 2)
        kept.owned.forget(b"k" * 32, "resp_2")
        tasks.cancel_scope.cancel()
    again = KeptResponses()
    again.load(state)
    assert len(again.owned) == 0


async def test_nothing_is_written_where_nothing_changed() -> None:
    state, kept = MemoryState(), KeptResponses()
    async with StateWriter(state) as writer, anyio.create_task_group() as tasks:
        tasks.start_soon(kept.run, writer)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert state.read(RESPONSES) is None


@pytest.mark.parametrize("stored", [[], {"asked": {}}, {"owned": [{"key": "?"}]}])
def test_a_damaged_file_is_named(stored: Any) -> None:
    state = MemoryState()
    state.write(RESPONSES, stored)
    with pytest.raises(StateError, match=RESPONSES):
        KeptResponses().load(state)
