"""The tool ``cluster_peers``: it tells the truth, and own clients may always call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import LOCAL, Offer, hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import call_tool
from tests.plugins.tool_proxy.nodes import code_of, relayed

if TYPE_CHECKING:
    from clawmatrix_core import JSON, Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


class Models:
    """Offers a model and an agent."""

    plugin_name = "models"

    @hookimpl
    def register_offers(self) -> list[Offer]:
        return [
            Offer("models", lambda: [{"id": "qwen3", "api": "openai-completions"}]),
            Offer("agents", lambda: [{"id": "main"}]),
        ]


async def peers(node: Node) -> dict[str, JSON]:
    async with call_tool(node, node.id, "cluster_peers") as call:
        return {one["nodeId"]: one for one in (await call.result()).value}


@pytest.mark.both_loops
async def test_own_clients_may_call_it_though_nothing_is_granted_or_exposed(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory, allowed=("echo", "wait")) as mesh:
        found = await peers(mesh.home)
        assert set(found) == {"office", "relay"}
        office = found["office"]
        assert office["tools"] == ["echo", "wait"]
        assert (office["connected"], office["status"], office["known"]) == (
            True,
            "relay",
            "hearsay",
        )
        assert (office["reachableVia"], office["agents"], office["models"]) == ("relay", [], [])
        assert found["relay"]["tools"] is None
        assert (found["relay"]["status"], found["relay"]["known"]) == ("direct", "linked")
        assert [record.peer for record in mesh.asked.records] == [LOCAL, LOCAL]


async def test_a_grant_opens_it_to_others_who_learn_no_tools_of_third_nodes(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory, allowed=()) as mesh:
        assert await code_of(mesh, "cluster_peers") == "not_allowed"
        mesh.engine.allowed.add("cluster_peers")
        async with call_tool(mesh.home, "office", "cluster_peers") as call:
            found = (await call.result()).value
        assert [(one["nodeId"], one["tools"]) for one in found] == [("home", None), ("relay", None)]


async def test_it_has_models_and_agents_and_says_what_is_gone(node_factory: NodeFactory) -> None:
    lab = node_factory("lab", dials=["relay"], plugins=[Models()], config={"tags": ["gpu"]})
    async with relayed(node_factory) as mesh:
        async with lab:
            await wait_until(lambda: mesh.home.reachable("lab"))
            told = (await peers(mesh.home))["lab"]
            assert (told["models"], told["agents"], told["tags"]) == (["qwen3"], ["main"], ["gpu"])
            assert told["latencyMs"] >= 0
        await wait_until(lambda: not mesh.home.reachable("lab"))
        told = (await peers(mesh.home))["lab"]
        assert (told["connected"], told["status"], told["tools"]) == (False, "unreachable", None)
