"""What status and doctor say of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.mounting.backing_off import BackOff
from clawmatrix_mcp.mounting.checks import servers_check
from clawmatrix_mcp.mounting.config import ServerConfig
from clawmatrix_mcp.mounting.status import lines_of
from clawmatrix_mcp.plugin import McpPlugin
from tests.plugins.mcp.mounting.nodes import mounting, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


async def test_status_and_doctor_name_each_server_and_what_is_wrong(
    node_factory: NodeFactory,
) -> None:
    servers = {"good": plain(), "dies": plain("die=initialize")}
    async with mounting(node_factory, servers) as nodes:
        await nodes.ready("good")
        dies = nodes.server("dies")
        await wait_until(lambda: dies.state.word == "restarting" and "7" in dies.state.why)
        found = {one.name: one for one in nodes.office.status_sections()}["mcp"]
        lines = lines_of(await found.value())
        assert lines[0].startswith("mcp good: ready, ")
        assert lines[1].startswith("mcp dies: failed (it ended with status 7), starts again in ")
        told = await servers_check({}, nodes.mounts).run()
        assert [one.status for one in told] == ["ok", "problem"]
        assert "it ended with status 7" in told[1].detail
        assert told[1].advice == "the log of the node has what dies wrote to its error output"


async def test_the_doctor_says_what_to_do_about_each_kind_of_server(
    node_factory: NodeFactory,
) -> None:
    servers: dict[str, Mapping[str, object]] = {
        "away": {"url": "http://127.0.0.1:1/mcp"},
        "confined": plain("die=initialize", confine=True),
        "nameless": {"command": "no-such-program"},
    }
    async with mounting(node_factory, servers) as nodes:
        await wait_until(lambda: all(one.state.why for one in nodes.mounts.all()))
        told = await servers_check({}, nodes.mounts).run()
        advice = dict(zip(servers, [one.advice or "" for one in told], strict=True))
    assert "[mcp.servers.away] url and headers" in advice["away"]
    assert "[tool-proxy.exec] readable" in advice["confined"]
    assert "confine = false into [mcp.servers.confined]" in advice["confined"]
    assert "its whole path into [mcp.servers.nameless] command" in advice["nameless"]


def test_a_line_says_what_waits_and_what_is_left_out() -> None:
    waiting = {f"tool{n}": "added" for n in range(10)}
    one = {"told": "ready", "tools": 1, "waiting": waiting, "left_out": {"a b": "is there twice"}}
    lines = lines_of({"servers": {"fs": {**one, "more_left_out": 3}}})
    assert lines[0] == "mcp fs: ready, 1 tool"
    assert lines[1].startswith("  waits for `clawmatrix tools accept fs`: tool0 (added), ")
    assert lines[1].endswith(" and 2 more")
    assert lines[2:] == ["  left out: a b: is there twice", "  and 3 more are left out"]


async def test_the_doctor_says_what_cannot_start() -> None:
    servers = {
        "here": ServerConfig(command="sh"),
        "missing": ServerConfig(command="no-such-program"),
        "off": ServerConfig(command="no-such-program", enabled=False),
        "there": ServerConfig(url="http://127.0.0.1:1/mcp"),
    }
    told = await servers_check(servers, None).run()
    assert [(one.status, one.detail.split(":")[0]) for one in told] == [
        ("ok", "the MCP server here can be started"),
        ("problem", "the MCP server missing cannot start"),
        ("ok", "the MCP server there can be started"),
    ]


async def test_grants_may_name_tools_of_servers_that_do_not_run_yet(
    node_factory: NodeFactory,
) -> None:
    servers = {"good": plain(), "dies": plain("die=initialize")}
    async with mounting(node_factory, servers) as nodes:
        await nodes.ready("good")
        shapes = nodes.plugin.register_tool_shapes(nodes.office)
        assert [one.name for one in shapes] == ["dies_*"]
    at_rest = McpPlugin().register_tool_shapes(nodes.office)
    assert [one.name for one in at_rest] == ["good_*", "dies_*"]


def test_pauses_double_up_to_a_minute_and_begin_anew() -> None:
    back_off = BackOff()
    pauses = [back_off.after(1.0) for _ in range(10)]
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert back_off.after(30.0) == 0.25
    assert back_off.after(29.0) == 0.5
