"""Tools of mounted servers, called from another node."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import Progress, ToolFailed, call_tool, list_tools
from tests.plugins.mcp.mounting.nodes import mounting, plain, running, value_of

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


@pytest.mark.both_loops
async def test_a_tool_of_a_stdio_server_answers_another_node(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        result = await nodes.call("plain_echo", value=[1, None, {"a": None}])
        assert value_of(result) == [1, None, {"a": None}]
        assert result["structuredContent"] == {"value": [1, None, {"a": None}]}
        told = await list_tools(nodes.home, "office")
        (echo,) = [entry for entry in told.entries if entry.name == "plain_echo"]
        assert echo.description == "Give back what comes."
        assert echo.hints["readOnly"] is True
        assert echo.hints["mcp"] == {"title": "Echo", "annotations": {"readOnlyHint": True}}
        assert nodes.notes.told()[-2:] == [
            ("begin", "plain_echo", None),
            ("end", "plain_echo", "success"),
        ]


@pytest.mark.both_loops
async def test_progress_comes_in_order_with_its_numbers(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        assert await nodes.progress_of("plain_steps") == [
            Progress(f"step {done}", done=float(done), total=3.0) for done in (1, 2, 3)
        ]


@pytest.mark.both_loops
async def test_a_cancel_reaches_the_server(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        async with call_tool(nodes.home, "office", "plain_wait", {}) as call:
            await anext(aiter(call))
        await wait_until(lambda: ("end", "plain_wait", "cancelled") in nodes.notes.told())
        seen = await nodes.call("plain_seen")
        assert [list(one) for one in value_of(seen)] == [["cancelled"]]


async def test_a_server_that_dies_in_a_call_is_started_again(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        with pytest.raises(ToolFailed, match="which may have run") as caught:
            await nodes.call("plain_die")
        assert (caught.value.code, caught.value.may_have_run) == ("server_lost", True)
        # The next call waits until it runs again.
        assert value_of(await nodes.call("plain_echo", value=2)) == 2
        assert nodes.server("plain").state.word == "ready"


async def test_a_server_that_is_killed_is_started_again(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        async with call_tool(nodes.home, "office", "plain_wait", {}) as call:
            told = await anext(aiter(call))
            assert isinstance(told, Progress)
            os.kill(int(told.progress), signal.SIGKILL)
            with pytest.raises(ToolFailed, match="which may have run") as caught:
                await call.result()
        assert caught.value.code == "server_lost"
        await wait_until(lambda: "it was ended by signal 9" in nodes.server("plain").state.why)
        assert value_of(await nodes.call("plain_echo", value=3)) == 3


async def test_an_error_of_the_protocol_keeps_its_number(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        with pytest.raises(ToolFailed, match="plain: no such luck") as caught:
            await nodes.call("plain_fail")
        assert caught.value.code == "mcp-32602"


async def test_a_result_that_is_too_large_is_an_error_and_no_half(
    node_factory: NodeFactory,
) -> None:
    table = {"max_output": 10_000}
    async with mounting(node_factory, {"plain": plain()}, table) as nodes:
        await nodes.ready("plain")
        assert len(value_of(await nodes.call("plain_large", size=9000))) == 9000
        result = await nodes.call("plain_large", size=11_000)
        assert result["isError"] is True
        assert "10000 are the most" in result["content"][0]["text"]


async def test_the_meta_of_a_call_goes_to_the_server(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        meta = {"mcp": {"protocol": "2025-11-25", "_meta": {"example.org/a": 1}}}
        async with call_tool(nodes.home, "office", "plain_meta", {}, meta=meta) as call:
            found = value_of((await call.result()).value)
        assert found == {"example.org/a": 1}  # and no token, as nobody wants progress


async def test_a_server_may_ask_a_caller_who_can_answer(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain("modern")}) as nodes:
        await nodes.ready("plain")
        asked: dict[str, JSON] = {
            "protocol": "2026-07-28",
            "capabilities": {"elicitation": {"form": {}}, "sampling": {}, "roots": {}},
        }

        async def call(tool: str, **more: JSON) -> JSON:
            meta: dict[str, JSON] = {"mcp": {**asked, **more}}
            async with call_tool(nodes.home, "office", tool, {}, meta=meta) as call:
                return (await call.result()).value

        seen = value_of(await call("plain_meta"))
        # Sampling and roots are not passed on.
        assert seen["io.modelcontextprotocol/clientCapabilities"] == {"elicitation": {"form": {}}}
        first = await call("plain_input")
        assert (first["resultType"], first["requestState"]) == ("input_required", "here")
        responses = {"which": {"action": "decline"}}
        then = await call("plain_input", inputResponses=responses, requestState="here")
        assert value_of(then) == {"state": "here", "given": responses}
        asked["protocol"] = "2025-11-25"
        seen = value_of(await call("plain_meta"))
        assert seen["io.modelcontextprotocol/clientCapabilities"] == {}


async def test_a_server_has_an_environment_that_was_made_for_it(
    node_factory: NodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_NODE", "hidden")
    monkeypatch.setenv("TOKEN_FOR_SERVER", "a-long-token")
    env = {"TOKEN": "env:TOKEN_FOR_SERVER", "LEVEL": "1"}
    server = plain(env=env, cwd=str(tmp_path))
    async with mounting(node_factory, {"plain": server}) as nodes:
        await nodes.ready("plain")
        seen = value_of(await nodes.call("plain_environment"))
        own = {"CLAWMATRIX_GUARDED", "LC_CTYPE"}  # the second is Python's own
        assert seen["env"].keys() - own == {"PATH", "LANG", "HOME", "TOKEN", "LEVEL"}
        assert seen["env"]["TOKEN"] == "a-long-token"
        assert seen["env"]["HOME"] == str(Path.home())
        assert seen["cwd"] == str(tmp_path)
        assert "a-long-token" not in repr(nodes.server("plain").config)
    assert not running(seen["pid"])


async def test_a_server_that_does_not_run_is_waited_for_and_then_named(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("clawmatrix_mcp.mounting.mounted._PATIENCE", 0.2)
    once = str(tmp_path / "once")
    async with mounting(node_factory, {"plain": plain(f"once={once}")}) as nodes:
        await nodes.ready("plain")
        await nodes.code_of("plain_die")
        await wait_until(lambda: nodes.server("plain").state.word != "ready")
        with pytest.raises(ToolFailed, match="plain does not run, and was not asked") as caught:
            await nodes.call("plain_echo")
        assert (caught.value.code, caught.value.may_have_run) == ("server_not_running", False)
