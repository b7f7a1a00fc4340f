"""Lists of tools: to each what it may use, kept while they are true, bounded at both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import Exchange, Frame, Node, PluginScope, frame_types, hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import plugin_of, reload
from clawmatrix_tool_proxy.api import (
    Arguments,
    Tool,
    ToolCall,
    ToolFailed,
    list_tools,
    tool,
    tools_changed,
    when_lists_change,
)
from clawmatrix_tool_proxy.catalog.entries import CATALOG, TOOLS
from clawmatrix_tool_proxy.catalog.keeping import KEPT, CatalogKeeper
from clawmatrix_tool_proxy.catalog.serving import ALL_READERS, READERS, CatalogServer
from clawmatrix_tool_proxy.json_marks import VALUE
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from clawmatrix_tool_proxy.serving.caller import Caller
from tests.plugins.tool_proxy.nodes import code_of, relayed

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


async def names(node: Node, peer: str = "office") -> list[str]:
    return [entry.name for entry in (await list_tools(node, peer)).entries]


@pytest.mark.both_loops
async def test_a_list_has_what_is_exposed_and_granted_and_nobody_else_learns_of_it(
    node_factory: NodeFactory,
) -> None:
    table = {"deny": ["big"]}
    async with relayed(node_factory, allowed=("echo", "big", "wait"), table=table) as mesh:
        assert await names(mesh.home) == ["echo", "wait"]
        assert all(asked[3] is None for asked in mesh.engine.asked)
        echo = (await list_tools(mesh.home, "office")).entries[0]
        assert echo.description == "Return what it gets."
        assert echo.parameters["properties"]["n"]["description"] == "a number of the call."
        assert await names(mesh.office) == ["cluster_peers", "echo", "wait"]
        own = mesh.office.directory.get("office")
        assert own is not None
        assert "tools" not in own.record.offers


@pytest.mark.both_loops
async def test_a_change_reaches_who_keeps_a_list_within_a_second(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory, allowed=("echo", "wait")) as mesh:
        heard: list[str] = []
        stop = when_lists_change(mesh.home, heard.append)
        first = await list_tools(mesh.home, "office")
        for allowed, expected in (
            ({"echo"}, ["echo"]),
            ({"echo", "big"}, ["big", "echo"]),
            ({"big"}, ["big"]),
        ):
            mesh.engine.allowed = allowed
            mesh.office.policy_changed("a test")
            await changed(mesh.home, expected)
        assert heard == ["office"] * 4
        mesh.engine.asks.add("stream")  # somebody may be asked, so the call may pass
        mesh.office.policy_changed("a test")
        await changed(mesh.home, ["big", "stream"])
        stop()
        assert (await list_tools(mesh.home, "office")).version != first.version


async def test_a_reload_and_a_plugin_with_new_tools_change_it(node_factory: NodeFactory) -> None:
    async with relayed(node_factory, allowed=("*",), table={"allow": ["e*", "new"]}) as mesh:
        assert await names(mesh.home) == ["echo"]
        await reload(mesh.office, {"tool-proxy": {"allow": ["s*", "new"]}})
        await changed(mesh.home, ["short", "shout", "slow", "stream"])

        async def new() -> None: ...

        mesh.shop.more = (tool(new),)
        tools_changed(mesh.office)
        await changed(mesh.home, ["new", "short", "shout", "slow", "stream"])
        mesh.office.hooks.fail("shop", "a test")
        await changed(mesh.home, [])
        assert await code_of(mesh, "stream") == "not_allowed"
    node_factory.made.clear()  # the plugin failed on purpose


def keeper_of(node: Node) -> CatalogKeeper:
    service = plugin_of(node, ToolProxyPlugin).service
    assert service is not None
    return service.keeper


async def changed(node: Node, expected: list[str]) -> None:
    with anyio.fail_after(1):
        while await names(node) != expected:  # noqa: ASYNC110 - what others say has no event
            await anyio.sleep(0.01)


async def test_a_list_goes_with_its_node_and_with_its_key(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        heard: list[str] = []
        when_lists_change(mesh.home, heard.append)
        await names(mesh.home)
        keeper = keeper_of(mesh.home)
        assert len(keeper) == 1
        mesh.home.trust.forget(mesh.office.id)
        await wait_until(lambda: len(keeper) == 0, limit=1)
        assert heard == ["office", "office"]


async def test_a_node_without_tools_or_out_of_reach_has_no_list(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        for peer, code in (("relay", "no_tools"), ("nobody", "deadline")):
            with pytest.raises(ToolFailed) as raised:
                await list_tools(mesh.home, peer, patience=0.3)
            assert raised.value.code == code
        with pytest.raises(ToolFailed, match="does not work on this node"):
            await list_tools(mesh.relay, "office")


class Liar:
    """Answers whoever asks for its list with what a test has."""

    plugin_name = "liar"

    def __init__(self, *payloads: JSON) -> None:
        self.payloads = payloads
        self.sent = 0

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("tool_list")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self.answer, self.scope)

    async def answer(self, ex: Exchange) -> None:
        for payload in self.payloads:
            await ex.send(payload)
            self.sent += 1
        while self.payloads:
            await ex.send(self.payloads[-1])
            self.sent += 1


def entry(size: int = 0) -> dict[str, Any]:
    return {"name": "a", "parameters": {"type": "object", "x": "x" * size}}


DENSE = CATALOG // VALUE // 10_000 + 1


def dense() -> dict[str, Any]:
    return {"name": "a", "parameters": {"type": "object", "x": [[]] * 10_000}}


@pytest.mark.bound(
    "clawmatrix_tool_proxy.catalog.entries.TOOLS", "clawmatrix_tool_proxy.catalog.entries.CATALOG"
)
@pytest.mark.parametrize(
    ("payloads", "code"),
    [
        ([{"version": "a", "tools": TOOLS + 1}], "too_large"),
        ([{"version": "a", "tools": 1_000_000}], "too_large"),
        (
            [{"version": "a", "tools": int(TOOLS)}, *[entry(60_000)] * (CATALOG // 60_000)],
            "too_large",
        ),
        (
            [{"version": "a", "tools": DENSE}, *[dense()] * DENSE],
            "too_large",
        ),
        ([{"version": "a", "tools": 2}, entry(), b"bytes"], "bad_answer"),
        ([{"version": "a", "tools": 1}, {"name": "a b"}], "bad_answer"),
        ([{"version": "a", "tools": 1}, {"name": "a", "parameters": []}], "bad_answer"),
        ([{"version": "a" * 65, "tools": 1}], "bad_answer"),
        ([{"version": "a", "tools": -1}], "bad_answer"),
        ([[]], "bad_answer"),
    ],
)
async def test_a_list_that_is_none_is_not_taken(
    node_factory: NodeFactory, payloads: list[JSON], code: str
) -> None:
    liar = node_factory("liar", plugins=[Liar(*payloads)])
    home = node_factory("home", dials=["liar"], plugins=[ToolProxyPlugin()])
    async with liar, home:
        await wait_until(lambda: home.reachable("liar"))
        with pytest.raises(ToolFailed) as raised:
            await list_tools(home, "liar")
        assert raised.value.code == code


async def test_lists_without_an_end_are_read_slowly(node_factory: NodeFactory) -> None:
    liar = Liar({"version": "a", "tools": 0})
    other = node_factory("liar", plugins=[liar])
    home = node_factory("home", dials=["liar"], plugins=[ToolProxyPlugin()])
    async with other, home:
        await wait_until(lambda: home.reachable("liar"))
        heard: list[str] = []
        when_lists_change(home, heard.append)
        assert await names(home, "liar") == []
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        assert 1 <= len(heard) <= 6


@pytest.mark.bound("clawmatrix_tool_proxy.catalog.keeping.KEPT")
async def test_lists_of_so_many_nodes_are_kept(node_factory: NodeFactory) -> None:
    config: dict[str, Any] = {"tool-proxy": {}}
    async with node_factory("home", plugins=[ToolProxyPlugin()], config=config) as home:
        keeper = keeper_of(home)
        assert isinstance(keeper, CatalogKeeper)
        for n in range(KEPT + 5):
            with pytest.raises(ToolFailed):
                await keeper.ask(f"n{n}", patience=0)
        assert len(keeper) == KEPT


@pytest.mark.bound(
    "clawmatrix_tool_proxy.catalog.serving.READERS",
    "clawmatrix_tool_proxy.catalog.serving.ALL_READERS",
)
async def test_so_many_lists_are_followed_here(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh, anyio.create_task_group() as tasks:
        heads: list[JSON] = []

        async def follow() -> None:
            request = {"follow": True}
            async with mesh.home.exchange("office", "tool_list", request, complete=True) as ex:
                heads.append(await ex.receive())
                await anyio.sleep_forever()

        for _ in range(READERS):
            tasks.start_soon(follow)
        await wait_until(lambda: len(heads) == READERS)
        with pytest.raises(ToolFailed) as raised:
            await list_tools(mesh.home, "office")
        assert raised.value.code == "busy"
        assert mesh.proxy.service is not None
        server = mesh.proxy.service.lists
        assert isinstance(server, CatalogServer)
        server._readers[Caller(mesh.relay.id, "key")] = ALL_READERS
        with pytest.raises(ToolFailed, match="too many lists"):
            await list_tools(mesh.office, "office")
        tasks.cancel_scope.cancel()


@pytest.mark.faults_expected
async def test_a_tool_too_large_for_a_list_is_a_fault_and_left_out(
    node_factory: NodeFactory,
) -> None:
    async def run(call: ToolCall, arguments: Arguments) -> None: ...

    huge = Tool("huge", "", {"type": "object", "x": "x" * 60_000}, run)
    odd = Tool("odd", "", {"type": "object", "x": object()}, run)
    async with relayed(node_factory, huge, odd) as mesh:
        listed = await names(mesh.home)
        assert "echo" in listed
        assert not {"huge", "odd"} & set(listed)
        assert "the tool odd is left out" in node_factory.faults()[0]
