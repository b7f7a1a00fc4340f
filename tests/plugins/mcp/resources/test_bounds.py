"""What others can fill with lists of resources and readings is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import (
    Exchange,
    Frame,
    Node,
    NodeId,
    PluginScope,
    Receipt,
    frame_types,
    hookimpl,
)
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_mcp.resources import lists, serving
from clawmatrix_mcp.resources.keeping import KEPT
from clawmatrix_mcp.resources.lists import READERS
from clawmatrix_mcp.resources.serving import READINGS
from clawmatrix_mcp.resources.wire import ENTRIES, LIST, RESULT, VALUES
from clawmatrix_tool_proxy.api import ToolFailed
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.mcp.resources.nodes import code_of, relayed

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

SLOW = "mesh://office/notes/notes://home/slow"


class Liar:
    """Answers lists and readings with payloads."""

    plugin_name = "liar"

    def __init__(self, *payloads: JSON) -> None:
        self.payloads = payloads

    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("mcp_list", "mcp_read")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self.answer, self.scope)

    async def answer(self, ex: Exchange) -> None:
        for payload in self.payloads:
            await ex.send(payload)


def entry(name: str = "notes://a", size: int = 0) -> dict[str, Any]:
    return {"kind": "resource", "server": "notes", "told": {"uri": name, "x": "x" * size}}


def dense() -> dict[str, Any]:
    return {"kind": "resource", "server": "notes", "told": {"uri": "a:b", "x": [[]] * 10_000}}


async def told_by_a_liar(factory: NodeFactory, *payloads: JSON) -> tuple[str, str]:
    """Return why nothing of a liar is listed, and what a reading there ends with."""
    plugin = McpPlugin()
    liar = factory("liar", plugins=[Liar(*payloads)])
    config = {"mcp": {"nodes": ["liar"]}}
    home = factory(
        "home", dials=["liar"], plugins=[ToolProxyPlugin(), plugin, Book()], config=config
    )
    async with liar, home:
        await wait_until(lambda: home.reachable("liar"))
        mesh = plugin.resources.mesh
        assert await mesh.list_resources() == []
        with pytest.raises(ToolFailed) as caught:
            await mesh.read("mesh://liar/notes/notes://a")
        return mesh.left_out.get("liar", ""), caught.value.code


class Book:
    plugin_name = "book"

    @hookimpl
    async def audit_record(self) -> Any:
        return Receipt(b"")


@pytest.mark.bound("clawmatrix_mcp.resources.wire.ENTRIES", "clawmatrix_mcp.resources.wire.LIST")
@pytest.mark.parametrize(
    ("payloads", "words"),
    [
        ([{"version": "a", "entries": ENTRIES + 1}], "is the most"),
        (
            [{"version": "a", "entries": 1000}, *[entry(size=48_000)] * (LIST // 48_000 + 1)],
            "too many bytes",
        ),
        ([{"version": "a", "entries": 10}, *[dense()] * 7], "too many bytes and values"),
        ([{"version": "a", "entries": 1}, {**entry(), "server": "no_good"}], "is no resource"),
        ([{"version": "a", "entries": 1}, {**entry(), "server": "a/../b"}], "is no resource"),
        ([{"version": "a", "entries": 1}, {**entry(), "kind": "tool"}], "is no resource"),
        ([{"version": "a", "entries": 1}, entry("")], "without a name"),
        ([{"version": "a", "entries": 1}, entry("x" * 3000)], "without a name"),
        ([[]], "is no list"),
    ],
)
async def test_a_list_that_is_none_is_not_taken(
    node_factory: NodeFactory, payloads: list[JSON], words: str
) -> None:
    why, code = await told_by_a_liar(node_factory, *payloads)
    assert words in why
    assert code == "bad_answer"


@pytest.mark.bound("clawmatrix_mcp.resources.wire.RESULT", "clawmatrix_mcp.resources.wire.VALUES")
@pytest.mark.parametrize(
    ("payloads", "code"),
    [
        ([{"success": True, "resultBytes": RESULT + 1}], "too_large"),
        ([{"success": True, "resultBytes": 2 * VALUES + 4}, b"[0" + b",0" * VALUES], "bad_answer"),
        ([{"success": True, "resultBytes": 3 * VALUES}, b"[0," * VALUES], "too_large"),
        ([{"success": True, "resultBytes": 3}, b"[1]"], "bad_answer"),
        ([{"success": True, "resultBytes": 9}, b"{}"], "bad_answer"),
        ([{"success": "yes"}], "bad_answer"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(
    node_factory: NodeFactory, payloads: list[JSON], code: str
) -> None:
    assert (await told_by_a_liar(node_factory, *payloads))[1] == code


@pytest.mark.bound("clawmatrix_mcp.resources.wire.ENTRIES")
async def test_what_has_no_room_in_an_own_list_is_counted(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "ENTRIES", 3)
    async with relayed(node_factory) as mesh:
        assert len(await mesh.mesh.list_resources()) == 3
        assert mesh.mesh.left_out == {"office": "its list is too long by 6"}
        assert mesh.plugins["office"].resources.service.lists.left_out == 6


@pytest.mark.bound(
    "clawmatrix_mcp.resources.lists.READERS", "clawmatrix_mcp.resources.lists.ALL_READERS"
)
async def test_so_many_lists_are_followed_here(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relayed(node_factory) as mesh, anyio.create_task_group() as tasks:
        heads: list[JSON] = []

        async def follow() -> None:
            request = {"follow": True}
            async with mesh.home.exchange("office", "mcp_list", request, complete=True) as ex:
                heads.append(await ex.receive())
                await anyio.sleep_forever()

        for _ in range(READERS):
            tasks.start_soon(follow)
        await wait_until(lambda: len(heads) == READERS)
        assert await mesh.mesh.list_resources() == []
        assert "too many lists" in mesh.mesh.left_out["office"]
        monkeypatch.setattr(lists, "ALL_READERS", READERS)
        own = mesh.plugins["office"].resources.mesh
        assert await own.list_resources() == []
        assert "too many lists" in own.left_out["office"]
        tasks.cancel_scope.cancel()


@pytest.mark.bound(
    "clawmatrix_mcp.resources.serving.READINGS", "clawmatrix_mcp.resources.serving.ALL_READINGS"
)
async def test_so_much_is_read_at_a_time(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relayed(node_factory) as mesh, anyio.create_task_group() as tasks:
        for _ in range(READINGS):
            tasks.start_soon(mesh.mesh.read, SLOW)
        await wait_until(lambda: len(mesh.served.told("begin")) == READINGS)
        assert await code_of(mesh, SLOW) == "busy"
        own = mesh.plugins["office"].resources.mesh
        await own.read("mesh://office/notes/notes://home/One")
        monkeypatch.setattr(serving, "ALL_READINGS", READINGS)
        with pytest.raises(ToolFailed, match="too many"):
            await own.read("mesh://office/notes/notes://home/One")
        tasks.cancel_scope.cancel()


@pytest.mark.bound("clawmatrix_mcp.resources.keeping.KEPT")
async def test_lists_of_so_many_nodes_are_kept(node_factory: NodeFactory) -> None:
    plugin = McpPlugin()
    async with node_factory("home", plugins=[ToolProxyPlugin(), plugin]):
        keeper = plugin.resources.mesh.keeper
        for n in range(KEPT + 5):
            with pytest.raises(ToolFailed):
                await keeper.ask(NodeId(f"n{n}"), patience=0)
        assert len(keeper) == KEPT
