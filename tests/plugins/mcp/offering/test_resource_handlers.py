"""Resources and prompts, for clients of both eras: whoever has them is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import hookimpl
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_tool_proxy.api import ToolFailed
from tests.plugins.mcp.offering.nodes import ERAS, Era, client_of, mesh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clawmatrix_core import JSON, Node, PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


class Library:
    """Has a resource, a template and a prompt, and a bad one of each."""

    def __init__(self) -> None:
        self.changed: list[Callable[[], None]] = []
        self.begun, self.stopped = anyio.Event(), 0

    async def list_resources(self) -> list[dict[str, JSON]]:
        return [{"uri": "mesh://office/s/a://b", "name": "b"}, {"uri": 3}]

    async def list_templates(self) -> list[dict[str, JSON]]:
        return [{"uriTemplate": "mesh://office/s/a://{x}", "name": "t"}, {}]

    async def list_prompts(self) -> list[dict[str, JSON]]:
        return [{"name": "office__s_ask", "description": "Ask."}, {"name": None}]

    async def read(
        self, uri: str, *, report: Callable[[str], Awaitable[None]] | None = None
    ) -> dict[str, JSON]:
        if uri.endswith("wait"):
            self.begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.stopped += 1
        if not uri.startswith("mesh://office/"):
            raise ToolFailed("bad_uri", "that is no address", may_have_run=False)
        assert report is not None
        await report("it waits")
        return {"contents": [{"uri": uri, "text": "words"}]}

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str],
        *,
        report: Callable[[str], Awaitable[None]] | None = None,
    ) -> dict[str, JSON]:
        text = f"{name} {arguments['x']}"
        return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}

    def when_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        self.changed.append(call)
        return lambda: self.changed.remove(call)


class LibraryPlugin(McpPlugin):
    """Offers what a library has."""

    def __init__(self) -> None:
        super().__init__()
        self.library = Library()

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self._offering.start(node, scope, self.library)

    @hookimpl
    async def node_started(self, node: Node) -> None:
        """Mount nothing."""


@pytest.mark.parametrize("era", ERAS)
async def test_resources_and_prompts_are_listed_and_read(
    node_factory: NodeFactory, era: Era
) -> None:
    plugin = LibraryPlugin()
    async with mesh(node_factory, mcp=plugin) as found, client_of(found.home, era) as client:
        assert [one.name for one in (await client.list_resources()).resources] == ["b"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.name for one in templates] == ["t"]
        assert [one.name for one in (await client.list_prompts()).prompts] == ["office__s_ask"]
        read: Any = await client.read_resource("mesh://office/s/a://b")
        assert read.contents[0].text == "words"
        prompt: Any = await client.get_prompt("office__s_ask", {"x": "1"})
        assert prompt.messages[0].content.text == "office__s_ask 1"
        with pytest.raises(Exception, match=r"that is no address \(bad_uri\)"):
            await client.read_resource("file:///etc/passwd")


@pytest.mark.parametrize("era", ERAS)
async def test_cancelling_ends_a_reading(node_factory: NodeFactory, era: Era) -> None:
    plugin = LibraryPlugin()
    async with mesh(node_factory, mcp=plugin) as found, client_of(found.home, era) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.read_resource, "mesh://office/s/a://wait")
            with anyio.fail_after(5):
                await plugin.library.begun.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            while not plugin.library.stopped:  # noqa: ASYNC110
                await anyio.sleep(0.01)


async def test_clients_hear_that_resources_changed(node_factory: NodeFactory) -> None:
    plugin, heard = LibraryPlugin(), anyio.Event()
    async with (
        mesh(node_factory, mcp=plugin) as found,
        client_of(found.home, "2026-07-28") as client,
        client.listen(resources_list_changed=True) as events,
        anyio.create_task_group() as tasks,
    ):

        async def follow() -> None:
            async for _ in events:
                heard.set()

        tasks.start_soon(follow)
        for call in plugin.library.changed:
            call()
        with anyio.fail_after(5):
            await heard.wait()
        tasks.cancel_scope.cancel()
