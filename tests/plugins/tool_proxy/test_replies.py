"""How a call is answered: its result first, then the head of the audit with its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import call_tool
from tests.plugins.tool_proxy.nodes import relayed

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.tool_proxy.nodes import Mesh

pytestmark = [pytest.mark.anyio]


async def answer_of(mesh: Mesh, value: JSON) -> list[JSON]:
    """Call ``echo`` without a ``RemoteCall``; return all that comes."""
    request = {"tool": "echo", "params": {"value": value}}
    async with mesh.home.exchange("office", "tool_req", request, complete=True) as ex:
        return [payload async for payload in ex]


@pytest.mark.both_loops
async def test_a_result_waits_for_no_disk_once_the_tool_has_ended(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.held["end"] = anyio.Event()
        async with call_tool(mesh.home, "office", "echo", {"value": 5}) as call:
            assert (await call.result()).value == 5
            assert mesh.served.told() == [("begin", "echo", None)]
            mesh.served.held["end"].set()
        assert mesh.served.told("end") == [("end", "echo", "success")]


async def test_a_caller_that_leaves_with_its_result_ends_nothing_otherwise(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.held["end"] = anyio.Event()
        with anyio.CancelScope() as scope:
            async with call_tool(mesh.home, "office", "echo", {"value": 5}) as call:
                await call.result()
                scope.cancel()
        assert mesh.asked.told("end") == [("end", "echo", "success")]
        mesh.served.held["end"].set()
        await wait_until(lambda: mesh.served.told("end"))
        assert mesh.served.told("end") == [("end", "echo", "success")]


async def test_the_head_with_the_end_comes_behind_a_small_result(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.head = b"the head"
        outcome, last = await answer_of(mesh, 0)
        assert (outcome["result"], outcome["auditFollows"]) == (0, True)
        assert "audit" not in outcome
        assert last == {"audit": "the head"}


async def test_the_head_with_the_end_comes_before_a_large_result(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.head = b"the head"
        outcome, *_ = await answer_of(mesh, "x" * 50_000)
        assert outcome["audit"] == "the head"
        assert "auditFollows" not in outcome


async def test_a_node_that_is_lost_behind_its_result_takes_nothing_back(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.held["end"] = anyio.Event()
        async with call_tool(mesh.home, "office", "echo", {"value": 5}, deadline=0.5) as call:
            assert (await call.result()).value == 5
        assert mesh.asked.told("end") == [("end", "echo", "success")]
        mesh.served.held["end"].set()
