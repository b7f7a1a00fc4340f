"""A host that leaves its node from another task than the one that entered it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from clawmatrix_core.base.errors import LocalProtocolError

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Trio ends a task that leaves a block open with an error of its own."""
    return "asyncio"


async def leave(node: Node) -> None:
    with pytest.raises(LocalProtocolError, match="left by the task that entered it"):
        await node.__aexit__(None, None, None)


async def test_it_is_told_so_and_the_node_stops(node_factory: NodeFactory) -> None:
    node = node_factory("home", built_in=())
    await asyncio.create_task(node.__aenter__())
    await asyncio.create_task(leave(node))
    with anyio.fail_after(5):
        await node.wait_stop()


async def test_the_task_that_entered_the_node_goes_on(node_factory: NodeFactory) -> None:
    node = node_factory("home", built_in=())
    await node.__aenter__()
    await asyncio.create_task(leave(node))
    with anyio.fail_after(5):
        await node.wait_stop()
        await anyio.lowlevel.checkpoint()


async def test_a_task_group_that_is_still_open_is_named_as_a_cause(
    node_factory: NodeFactory,
) -> None:
    node, tasks = node_factory("home", built_in=()), anyio.create_task_group()
    with pytest.raises(LocalProtocolError, match=r"task group and cancel scope .* still open"):
        async with node:
            await tasks.__aenter__()
    with anyio.fail_after(5):
        await node.wait_stop()
