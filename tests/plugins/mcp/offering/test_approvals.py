"""A call that a person is asked about, over sockets and a relay, with grants and audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.testing.reaching import call_control
from clawmatrix_http.plugin import HttpPlugin
from clawmatrix_mcp.plugin import McpPlugin
from tests.plugins.mcp.offering.nodes import ERAS, Era, client_of, text_of
from tests.plugins.tool_proxy.together import (
    GRANTED,
    HOME,
    TRUE,
    Office,
    accept,
    lines_in,
    office,
    reached,
)

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core import Node

pytestmark = pytest.mark.anyio
both = pytest.mark.parametrize("era", ERAS)
TABLE: dict[str, Any] = {"home": GRANTED}


def caller(found: Office, tmp_path: Path) -> Node:
    tables = {
        "state_dir": str(tmp_path / "home"),
        "http": {"listen": "127.0.0.1:0"},
        "mcp": {"nodes": ["office"]},
    }
    return found.caller(TRUE, HttpPlugin(), McpPlugin(), tables=tables)


@both
async def test_a_call_that_waits_for_a_person_says_how_to_go_on(tmp_path: Path, era: Era) -> None:
    async with office(tmp_path, TABLE) as found, caller(found, tmp_path) as home:
        await accept(found.node, HOME, TRUE)
        await reached(found, home)
        async with client_of(home, era) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {"cluster_peers", "office__echo", "office__stream", "office__wait"}
            result = await client.call_tool("office__stream", {"parts": 2})
            assert result.is_error
            text = text_of(result)
            assert "Nothing has run" in text
            assert "at the node office" in text
            assert "the same call again" in text
            [waits] = await found.approvals()
            await call_control(found.node, "approvals.allow", {"id": waits["id"]})
            again = await client.call_tool("office__stream", {"parts": 2})
            assert text_of(again) == '00000001\n{"parts":2}'
            refused = await client.call_tool("office__fail", {})
            assert "No tool office__fail" in text_of(refused)
    events = [(line["event"], line["target"]) for line in lines_in(tmp_path / "office", "end")]
    assert events == [("end", "stream")]
    asked = [(line["event"], line["target"]) for line in lines_in(tmp_path / "home", "end")]
    assert asked == [("end", "stream"), ("end", "stream")]


@both
async def test_an_ask_is_progress_while_it_waits(tmp_path: Path, era: Era) -> None:
    words: list[str] = []
    asked = anyio.Event()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        words.append(message or "")
        asked.set()

    async with office(tmp_path, TABLE, wait="30s") as found, caller(found, tmp_path) as home:
        await accept(found.node, HOME, TRUE)
        await reached(found, home)
        async with client_of(home, era) as client, anyio.create_task_group() as tasks:
            results = []

            async def call() -> None:
                results.append(
                    await client.call_tool("office__stream", {"parts": 1}, progress_callback=tell)
                )

            tasks.start_soon(call)
            with anyio.fail_after(10):
                await asked.wait()
            [waits] = await found.approvals()
            assert waits["id"] in words[0]
            await call_control(found.node, "approvals.allow", {"id": waits["id"]})
        assert text_of(results[0]) == '0000\n{"parts":1}'
        assert "1 of 1" in words
