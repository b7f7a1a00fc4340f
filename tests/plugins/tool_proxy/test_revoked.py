"""A grant that is withdrawn ends what runs, within a second, over the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_tool_proxy.api import ToolFailed, call_tool
from tests.plugins.tool_proxy.nodes import relayed

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.tool_proxy.nodes import Mesh

pytestmark = [pytest.mark.anyio]


async def ended_by(factory: NodeFactory, change: Callable[[Mesh], None]) -> str:
    """Return the code that a running call ends with after a change."""
    async with relayed(factory) as mesh, call_tool(mesh.home, "office", "wait") as call:
        await mesh.shop.open.wait()
        change(mesh)
        with anyio.fail_after(1), pytest.raises(ToolFailed) as raised:
            await call.result()
        assert mesh.shop.stopped == 1
        assert raised.value.may_have_run
        assert mesh.served.told("end") == [("end", "wait", raised.value.code)]
        return raised.value.code


@pytest.mark.both_loops
async def test_a_withdrawn_grant_ends_a_running_call(node_factory: NodeFactory) -> None:
    def change(mesh: Mesh) -> None:
        mesh.engine.allowed.clear()
        mesh.office.policy_changed("a test")

    assert await ended_by(node_factory, change) == "revoked"


async def test_so_does_an_ask_where_nobody_approved_it(node_factory: NodeFactory) -> None:
    def change(mesh: Mesh) -> None:
        mesh.engine.asks.add("wait")
        mesh.office.policy_changed("a test")

    assert await ended_by(node_factory, change) == "revoked"


async def test_so_does_a_plugin_that_decides_and_is_taken_out(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh, call_tool(mesh.home, "office", "wait") as call:
        await mesh.shop.open.wait()
        mesh.office.hooks.fail("engine", "a test")
        with anyio.fail_after(1), pytest.raises(ToolFailed) as raised:
            await call.result()
        assert raised.value.code == "revoked"
    node_factory.made.clear()  # the plugin failed on purpose


@pytest.mark.parametrize("how", ["forgotten", "revoked"])
async def test_another_key_of_the_caller_ends_its_calls(
    node_factory: NodeFactory, how: str
) -> None:
    async with relayed(node_factory) as mesh, call_tool(mesh.home, "office", "wait"):
        await mesh.shop.open.wait()
        if how == "forgotten":
            mesh.office.trust.forget(mesh.home.id)
        else:
            mesh.office.expel(mesh.home.identity.sign_public)
        with anyio.fail_after(1):
            while not mesh.served.told("end"):  # noqa: ASYNC110
                await anyio.sleep(0.005)
        assert mesh.shop.stopped == 1
