"""Servers that mean harm: each is contained and named, and the others are served."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.mounting.definitions import ALL_TOOLS, TOOLS
from clawmatrix_tool_proxy.api import list_tools
from tests.plugins.mcp.mounting.nodes import mounting, plain, running, value_of

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.mcp.mounting.nodes import Mounting

pytestmark = [pytest.mark.anyio]

MIB: Final = 1024**2


def memory() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def others_are_served(nodes: Mounting) -> None:
    """Check that a good server beside a hostile one answers, soon."""
    with anyio.fail_after(5):
        assert value_of(await nodes.call("good_echo", value=1)) == 1


def why(nodes: Mounting) -> str:
    """Return how the hostile server ended last."""
    return nodes.server("evil").state.why


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("long_line", "more than 16777216 bytes"),
        ("values", "more than 131072 values"),
        ("deep", "a message that cannot be read"),
        ("die=server/discover", "it ended with status 7"),
        ("die=initialize", "it ended with status 7"),
        ("die=notifications/initialized", "it ended with status 7"),
        ("die=tools/list", "it ended with status 7"),
        ("die=prompts/list", "it ended with status 7"),
        ("hang=server/discover", "did not start within 1 s"),
        ("hang=initialize", "did not start within 1 s"),
        ("hang=tools/list", "did not start within 1 s"),
        ("bad=initialize", "does not begin as an MCP server does"),
        ("bad=tools/list", "no result of tools/list (at"),
    ],
)
async def test_a_server_that_does_not_start_is_named_and_tried_again(
    node_factory: NodeFactory, mode: str, words: str
) -> None:
    before = memory()
    evil = plain(mode, start_timeout=5 if "=" not in mode else 1)
    async with mounting(node_factory, {"evil": evil, "good": plain()}) as nodes:
        await nodes.ready("good")
        await wait_until(lambda: why(nodes), limit=15)
        assert words in why(nodes)
        await others_are_served(nodes)
        assert not [
            tool
            for tool in (await list_tools(nodes.home, "office")).entries
            if tool.name.startswith("evil_")
        ]
        assert await nodes.code_of("evil_echo") == "not_allowed"
    assert memory() - before < 150 * MIB


@pytest.mark.bound("clawmatrix_mcp.mounting.definitions.TOOLS")
@pytest.mark.bound("clawmatrix_mcp.mounting.definitions.ALL_TOOLS")
@pytest.mark.parametrize("mode", ["many=5000", "pages"])
async def test_of_a_list_without_an_end_a_part_is_taken(
    node_factory: NodeFactory, mode: str
) -> None:
    servers = {f"evil{n}": plain(mode) for n in range(4)} | {"good": plain()}
    async with mounting(node_factory, servers) as nodes:
        await nodes.ready(*servers)
        status = nodes.mounts.status()
        assert {status[f"evil{n}"]["tools"] for n in range(4)} == {int(TOOLS)}
        assert "256 tools are the most" in str(status["evil0"]["left_out"])
        assert status["evil0"]["more_left_out"] > 100
        # The list of the node stays one that other nodes take.
        listed = (await list_tools(nodes.home, "office")).entries
        assert len(listed) == ALL_TOOLS + 1  # with `cluster_peers`
        assert len(nodes.mounts.tools()) == ALL_TOOLS


async def test_names_that_collide_or_imitate_take_no_tools_place(
    node_factory: NodeFactory,
) -> None:
    digest = hashlib.sha256(b"a b").hexdigest()[:8]
    schema = {"type": "object"}
    names = [
        "a b",
        f"a_b-{digest}",
        "twice",
        "twice",
        "\u0435cho",
        "x" * 200,
        "../up",
        "",
        "a\u202eb",
    ]  # \u0435 looks like an e
    tools = [{"name": name, "inputSchema": schema, "title": str(n)} for n, name in enumerate(names)]
    evil = plain("tools=" + json.dumps(tools))
    async with mounting(node_factory, {"evil": evil, "good": plain()}) as nodes:
        await nodes.ready("evil", "good")
        listed = {
            entry.name: entry.hints["mcp"]["title"]
            for entry in (await list_tools(nodes.home, "office")).entries
            if entry.name.startswith("evil_")
        }
        assert listed[f"evil_a_b-{digest}"] == "1"
        assert listed["evil_twice"] == "2"
        assert "evil_echo" not in listed
        assert all(len(name) <= 64 and name.isascii() for name in listed)
        left_out = nodes.mounts.status()["evil"]["left_out"]
        assert left_out["a b"] == "is there twice"
        assert left_out["twice"] == "is there twice"
        await others_are_served(nodes)


async def test_a_schema_bomb_is_never_run_by_the_node(node_factory: NodeFactory) -> None:
    bomb: dict[str, object] = {"type": "object", "properties": {"value": {"pattern": "^(a+)+$"}}}
    deep: dict[str, object] = {"type": "object"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"x": deep}}
    loop = {"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    tools = [
        {"name": f"echo{n}", "inputSchema": schema} for n, schema in enumerate((bomb, deep, loop))
    ]
    evil = plain("tools=" + json.dumps(tools))
    async with mounting(node_factory, {"evil": evil, "good": plain()}) as nodes:
        await nodes.ready("evil", "good")
        with anyio.fail_after(3):
            for n in range(3):
                assert value_of(await nodes.call(f"evil_echo{n}", value="a" * 40 + "!"))
        await others_are_served(nodes)


@pytest.mark.parametrize(
    "kind", ["notices", "log", "progress", "odd", "garbage", "empty", "errors"]
)
@pytest.mark.bound("clawmatrix_mcp.mounting.metering.MESSAGES")
async def test_a_flood_is_read_slowly(
    node_factory: NodeFactory, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = memory()
    caplog.set_level("INFO")
    servers = {"evil": plain(f"flood={kind}"), "good": plain()}
    async with mounting(node_factory, servers) as nodes:
        await nodes.ready("evil", "good")
        await nodes.code_of("evil_echo", value=1)
        for _ in range(10):
            await others_are_served(nodes)
    assert memory() - before < 50 * MIB
    assert len(caplog.records) < 200


@pytest.mark.bound("clawmatrix_mcp.mounting.metering.UNANSWERED")
async def test_a_server_that_asks_and_does_not_read_is_ended(node_factory: NodeFactory) -> None:
    servers = {"evil": plain("deaf"), "good": plain()}
    async with mounting(node_factory, servers) as nodes:
        await nodes.ready("good")
        await wait_until(lambda: why(nodes), limit=15)
        assert "sends requests, and does not read the answers" in why(nodes)
        await others_are_served(nodes)


async def test_noise_on_both_outputs_harms_nothing(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with mounting(node_factory, {"evil": plain("noise")}) as nodes:
        await nodes.ready("evil")
        assert value_of(await nodes.call("evil_echo", value=1)) == 1
    told = [record.getMessage() for record in caplog.records]
    assert "evil: it sent a line that is no message" in told
    assert all(line.isprintable() and len(line) < 600 for line in told)
    assert any("[31mred" in line for line in told)


async def test_what_a_server_asks_of_the_node_is_refused(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"evil": plain()}) as nodes:
        await nodes.ready("evil")
        await nodes.call("evil_ask")
        told = value_of(await nodes.call("evil_seen"))
        assert [one["id"] for one in told] == ["ask-0", "ask-1", "ask-2"]
        assert all(one["error"]["code"] == -32600 for one in told)
        assert all("result" not in one or one["result"] is None for one in told)


async def test_nothing_is_left_of_a_server_that_forks(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"evil": plain("fork")}) as nodes:
        await nodes.ready("evil")
        pid = value_of(await nodes.call("evil_fork"))
        children = children_of(pid)
        assert len(children) == 4
    assert not [one for one in (pid, *children) if running(one)]


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
