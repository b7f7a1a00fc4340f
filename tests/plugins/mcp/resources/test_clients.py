"""The official client reads resources and prompts of a node two hops away, in both eras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
import pytest
from mcp import MCPError

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.mcp.offering.nodes import ERAS, Era, client_of
from tests.plugins.mcp.resources.nodes import relayed
from tests.plugins.mcp.resources.notes_server import PICTURE, TEMPLATES

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

OFFICE = "mesh://office/notes"
WITH_HTTP = ("mesh", "relay", "http")


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_lists_and_reads(node_factory: NodeFactory, era: Era) -> None:
    async with (
        relayed(node_factory, built_in=WITH_HTTP) as mesh,
        client_of(mesh.home, era) as client,
    ):
        found = (await client.list_resources()).resources
        assert str(found[0].uri) == f"{OFFICE}/notes://home/One"
        first = found[0].model_dump(by_alias=True, exclude_none=True)
        assert (first["description"], first["annotations"]["priority"]) == ("A note.", 0.5)
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == [
            f"{OFFICE}/{one['uriTemplate']}" for one in TEMPLATES
        ]
        for one in found:
            read = await client.read_resource(str(one.uri))
            assert str(read.contents[0].uri) == str(one.uri)
        blob, beside = read.contents
        assert isinstance(blob, types.BlobResourceContents)
        assert (blob.blob, beside.meta) == (PICTURE, {"vendor/kept": {"a": 1}})
        prompts = (await client.list_prompts()).prompts
        assert prompts[0].name == "office__notes_greet"
        got = await client.get_prompt(prompts[0].name, {"who": "Ada"})
        assert got.messages[0].content == types.TextContent(type="text", text="Greet Ada.")


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_not_there_is_an_error_that_says_how_to_go_on(
    node_factory: NodeFactory, era: Era
) -> None:
    async with (
        relayed(node_factory, built_in=WITH_HTTP) as mesh,
        client_of(mesh.home, era) as client,
    ):
        for uri, words in (
            ("notes://home/One", "resources of the mesh are mesh://NODE/SERVER/URI"),
            (f"{OFFICE}/other://home/One/../x", "no part of it is . or .."),
            ("mesh://relay/notes/notes://home/One", "no node relay is seen here"),
            (f"{OFFICE}/notes://home/gone", "there is no notes://home/gone"),
        ):
            with pytest.raises(MCPError, match=words):
                await client.read_resource(uri)


async def test_a_client_hears_that_the_list_changed(node_factory: NodeFactory) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(getattr(message, "method", ""))

    async with (
        relayed(node_factory, built_in=WITH_HTTP) as mesh,
        client_of(mesh.home, "legacy", message_handler=hear) as client,
    ):
        assert len((await client.list_resources()).resources) == 5
        await client.read_resource(f"{OFFICE}/notes://home/change")
        with anyio.fail_after(10):
            await wait_until(lambda: "notifications/resources/list_changed" in heard)
        assert len((await client.list_resources()).resources) == 6


async def test_a_client_hears_that_a_node_came_and_went(node_factory: NodeFactory) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(getattr(message, "method", ""))

    def told() -> bool:
        return "notifications/resources/list_changed" in heard

    attic = node_factory("attic", dials=["relay"], plugins=[ToolProxyPlugin(), McpPlugin()])
    async with (
        relayed(node_factory, built_in=WITH_HTTP, nodes=["office", "attic"]) as mesh,
        client_of(mesh.home, "legacy", message_handler=hear) as client,
    ):
        await client.list_resources()
        async with attic:
            await wait_until(told)
            heard.clear()
            await client.list_resources()
            assert mesh.mesh.left_out == {}
        await wait_until(told)
