"""MCP clients of both eras list and call tools that are two hops away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY as CAPABILITIES

from clawmatrix_core import Bound
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.offering import handlers
from clawmatrix_mcp.offering.progress import BEAT, Reporter
from clawmatrix_tool_proxy.api import Tool, ToolCall, ToolError, tool
from tests.plugins.mcp.mounting.nodes import plain
from tests.plugins.mcp.offering.nodes import (
    ERAS,
    Era,
    Raw,
    answer_of,
    client_of,
    http_of,
    mesh,
    rpc,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio
both = pytest.mark.parametrize("era", ERAS)


@tool
async def steps(call: ToolCall, tag: str) -> str:
    """Tell how far it is, in numbers of its own."""
    for n in (1, 2, 3):
        await call.progress(f"{tag} {n}", done=n, total=3)
    return tag


@tool
async def speaks(call: ToolCall) -> dict[str, int]:
    """Write output of both kinds."""
    await call.write("one\n")
    await call.write("two\n", stderr=True)
    await call.write("three")
    return {"exitStatus": 0}


def mounted(name: str, result: JSON, seen: list[Mapping[str, JSON]] | None = None) -> Tool:
    """Return a tool as a mounted MCP server has it."""

    async def run(call: ToolCall, arguments: Mapping[str, JSON]) -> JSON:
        if seen is not None:
            seen.append(call.meta)
        return result

    return Tool(
        name,
        "As of a server.",
        {"type": "object"},
        run,
        check=lambda given: given,
        hints={"mcp": {"title": "A title", "annotations": {"readOnlyHint": True}}},
    )


@both
async def test_a_tool_two_hops_away_is_listed_and_called(
    node_factory: NodeFactory, era: Era
) -> None:
    async with mesh(node_factory) as found, client_of(found.home, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names[0] == "cluster_peers"
        assert names[1:] == sorted(names[1:])
        assert "office__echo" in names
        result = await client.call_tool("office__echo", {"value": {"a": None}, "n": 7})
        assert result.structured_content == {"a": None}
        assert text_of(result) == '{"a":null}'
        assert not result.is_error
        assert found.shop.began == [7]
        assert found.served.told() == [("begin", "echo", None), ("end", "echo", "success")]
        assert found.asked.told() == found.served.told()


async def progress_reaches_its_call(factory: NodeFactory, era: Era) -> None:
    told: dict[str, list[tuple[float, float | None, str | None]]] = {"a": [], "b": []}

    async with mesh(factory, steps) as found, client_of(found.home, era) as client:

        async def one(tag: str) -> None:
            async def tell(progress: float, total: float | None, message: str | None) -> None:
                told[tag].append((progress, total, message))

            await client.call_tool("office__steps", {"tag": tag}, progress_callback=tell)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "a")
            tasks.start_soon(one, "b")
    assert told == {tag: [(n, 3, f"{tag} {n}") for n in (1, 2, 3)] for tag in "ab"}


@both
async def test_progress_of_each_call_reaches_the_one_who_made_it(
    node_factory: NodeFactory, era: Era
) -> None:
    await progress_reaches_its_call(node_factory, era)


@both
async def test_output_is_words_of_progress_and_the_beginning_of_the_text(
    node_factory: NodeFactory, era: Era
) -> None:
    words: list[str | None] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        words.append(message)

    async with mesh(node_factory, speaks) as found, client_of(found.home, era) as client:
        result = await client.call_tool("office__speaks", {}, progress_callback=tell)
    assert text_of(result) == 'one\ntwo\nthree\n{"exitStatus":0}'
    assert result.structured_content == {"exitStatus": 0}
    assert words == ["one", "two", "three"]


@both
async def test_a_call_without_news_gets_progress_before_its_client_gives_up(
    node_factory: NodeFactory, era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BEAT <= 10

    monkeypatch.setattr(Reporter, "beat", BEAT / 100)
    done: list[float] = []
    enough = anyio.Event()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        assert message is not None
        assert message.startswith("office__wait goes on")
        done.append(progress)
        if len(done) == 3:
            enough.set()

    async with (
        mesh(node_factory) as found,
        client_of(found.home, era) as client,
        anyio.create_task_group() as tasks,
    ):

        async def call() -> None:
            await client.call_tool("office__wait", {}, progress_callback=tell)

        tasks.start_soon(call)
        with anyio.fail_after(5):
            await enough.wait()
        tasks.cancel_scope.cancel()
    assert done[:3] == [1, 2, 3]


async def cancel_reaches_the_tool(factory: NodeFactory, era: Era) -> None:
    async with mesh(factory) as found, client_of(found.home, era) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "office__wait", {"n": 1})
            with anyio.fail_after(5):
                await found.shop.open.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(2):
            await wait_until(lambda: found.shop.stopped == 1)
        await wait_until(lambda: len(found.asked.records) == 2)
        assert found.asked.told("end") == [("end", "wait", "cancelled")]
        assert text_of(await client.call_tool("office__echo", {"value": "on"})) == "on"


@both
async def test_cancelling_reaches_the_tool(node_factory: NodeFactory, era: Era) -> None:
    await cancel_reaches_the_tool(node_factory, era)


@both
async def test_a_client_that_vanishes_ends_its_call(node_factory: NodeFactory, era: Era) -> None:
    async with mesh(node_factory) as found, http_of(found.home) as http:
        await vanish(http, era, found.shop.open)
        with anyio.fail_after(5):
            await wait_until(lambda: found.shop.stopped == 1)


async def vanish(http: Any, era: Era, begun: anyio.Event) -> None:
    """Make a call, and close its connection once it runs."""
    params: dict[str, Any] = {"name": "office__wait", "arguments": {}}
    if era == "legacy":
        headers = (await Raw.open(http)).headers
    else:
        key = "io.modelcontextprotocol/"
        params["_meta"] = {f"{key}protocolVersion": era, f"{key}clientCapabilities": {}}
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": era,
            "mcp-method": "tools/call",
            "mcp-name": "office__wait",
        }
    async with anyio.create_task_group() as tasks:

        async def call() -> None:
            answer = await http.post("/mcp", json=rpc("tools/call", params), headers=headers)
            pytest.fail(f"it was answered: {answer.text}")

        tasks.start_soon(call)
        with anyio.fail_after(5):
            await begun.wait()
        tasks.cancel_scope.cancel()


@both
async def test_errors_are_results_that_say_whether_it_ran(
    node_factory: NodeFactory, era: Era
) -> None:
    async with mesh(node_factory) as found, client_of(found.home, era) as client:
        await client.list_tools()
        said = {}
        for name, arguments in (
            ("office__fail", {}),
            ("office__short", {}),
            ("office__echo", {"n": "no number"}),
            ("office__nothing", {}),
            ("no_such", {}),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error
            assert result.meta is not None
            error = result.meta["clawmatrix/error"]
            said[error["code"]] = (error["mayHaveRun"], text_of(result).rsplit(". ", 1)[-1])
        assert said == {
            "not_found": (True, "The tool had begun to run."),
            "deadline": (True, "The tool had begun to run."),
            "bad_arguments": (False, "The tool did not run."),
            "unknown_tool": (False, "Nothing ran."),
        }


async def test_what_is_listed_and_no_longer_allowed_is_an_error_that_says_so(
    node_factory: NodeFactory,
) -> None:
    async with mesh(node_factory) as found, client_of(found.home, "legacy") as client:
        await client.list_tools()
        found.engine.only = lambda arguments: False
        result = await client.call_tool("office__echo", {})
        assert "not_allowed" in text_of(result)
        assert "did not run" in text_of(result)
        assert found.shop.began == []


@both
async def test_a_node_that_dies_in_a_call_leaves_it_in_doubt(
    node_factory: NodeFactory, era: Era
) -> None:
    async with mesh(node_factory) as found, client_of(found.home, era) as client:
        results = []

        async def call() -> None:
            results.append(await client.call_tool("office__wait", {}))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            with anyio.fail_after(5):
                await found.shop.open.wait()
            found.office.stop()
    [result] = results
    assert result.is_error
    assert result.meta is not None
    assert result.meta["clawmatrix/error"]["mayHaveRun"]


@both
async def test_images_resources_and_links_cross_unchanged(
    node_factory: NodeFactory, era: Era
) -> None:
    content = [
        {"type": "text", "text": "hi", "annotations": {"audience": ["user"], "priority": 0.5}},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "a://b", "text": "t", "mimeType": "text/x"}},
        {"type": "resource_link", "uri": "a://c", "name": "c", "description": "d"},
    ]
    raw: JSON = {
        "content": content,
        "structuredContent": {"a": [1, None]},
        "isError": True,
        "_meta": {"x/y": {"z": 1}},
    }
    async with mesh(node_factory, mounted("s_t", raw)) as found:
        async with client_of(found.home, era) as client:
            [shown] = [one for one in (await client.list_tools()).tools if "s_t" in one.name]
            assert shown.title == "A title"
            assert shown.annotations is not None
            assert shown.annotations.read_only_hint is True
            result = await client.call_tool("office__s_t", {})
        told = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        assert told["content"] == content
        assert result.structured_content == {"a": [1, None]}
        assert result.is_error
        assert told["_meta"]["x/y"] == {"z": 1}


async def test_what_an_old_version_cannot_carry_becomes_text(node_factory: NodeFactory) -> None:
    link = {"type": "resource_link", "uri": "a://c", "name": "c"}
    raw: JSON = {"content": [link], "structuredContent": [1, 2]}
    async with mesh(node_factory, mounted("s_t", raw)) as found, http_of(found.home) as http:
        for version, first in (("2025-03-26", "text"), ("2025-06-18", "resource_link")):
            client = await Raw.open(http, version)
            answer = await client.ask("tools/call", {"name": "office__s_t", "arguments": {}})
            result = answer_of(answer)["result"]
            assert [one["type"] for one in result["content"]] == [first, "text"]
            assert result["content"][1]["text"] == "[1,2]"
            assert "structuredContent" not in result


async def test_input_that_a_tool_asks_for_passes_where_both_ends_know_it(
    node_factory: NodeFactory,
) -> None:
    seen: list[Mapping[str, JSON]] = []
    meta: Any = {"a/b": 1}
    asks: JSON = {"resultType": "input_required", "requestState": "s1", "inputRequests": {}}
    async with mesh(node_factory, mounted("s_t", asks, seen)) as found:
        async with client_of(found.home, "2026-07-28") as client:
            first = await client.session.call_tool(
                "office__s_t", {}, allow_input_required=True, request_state="s0", meta=meta
            )
            assert first.result_type == "input_required"
            assert getattr(first, "request_state", None) == "s1"
        told: Any = seen[0]["mcp"]
        assert told["requestState"] == "s0"
        assert told["protocol"] == "2026-07-28"
        assert told["_meta"] == {"a/b": 1}
        async with client_of(found.home, "legacy") as client:
            second = await client.call_tool("office__s_t", {})
            assert second.is_error
            assert "2026-07-28" in text_of(second)


async def test_a_mounted_server_asks_a_client_two_hops_away(node_factory: NodeFactory) -> None:
    asked: list[str] = []

    async def answer(_: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"size": 3})

    async with mesh(node_factory, servers={"plain": plain("modern")}) as found:
        async with client_of(found.home, "2026-07-28", elicitation_callback=answer) as client:
            result = await client.call_tool("office__plain_input", {})
            assert asked == ["which?"]
            told = json.loads(text_of(result))
            assert told["state"] == "here"
            assert told["given"]["which"] == {"action": "accept", "content": {"size": 3}}
            seen = json.loads(text_of(await client.call_tool("office__plain_meta", {})))
            assert seen[CAPABILITIES].keys() == {"elicitation"}
        for era in ERAS:  # one that cannot be asked does not look as if it could
            async with client_of(found.home, era) as client:
                seen = json.loads(text_of(await client.call_tool("office__plain_meta", {})))
                assert seen[CAPABILITIES] == {}


@pytest.mark.parametrize("raw", [None, "text", {"content": 3}, {"content": [{"type": "new"}]}])
async def test_a_result_that_is_none_of_mcp_is_an_error(
    node_factory: NodeFactory, raw: JSON
) -> None:
    async with mesh(node_factory, mounted("s_t", raw)) as found:
        for era in ERAS:
            async with client_of(found.home, era) as client:
                result = await client.call_tool("office__s_t", {})
                assert result.is_error
                assert "no result of MCP" in text_of(result)


@pytest.mark.bound("clawmatrix_mcp.offering.handlers.CALLS")
async def test_too_many_calls_are_answered_as_busy(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "CALLS", Bound(1, "calls", fed_by="a client", when_full="busy"))
    async with (
        mesh(node_factory) as found,
        client_of(found.home, "legacy") as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.call_tool, "office__wait", {})
        with anyio.fail_after(5):
            await found.shop.open.wait()
        result = await client.call_tool("office__echo", {})
        assert result.meta is not None
        assert result.meta["clawmatrix/error"] == {"code": "busy", "mayHaveRun": False}
        tasks.cancel_scope.cancel()


async def test_an_error_of_a_tool_keeps_the_output_that_came_before(
    node_factory: NodeFactory,
) -> None:
    @tool
    async def breaks(call: ToolCall) -> None:
        """Write, then fail."""
        await call.write("so far")
        raise ToolError("it broke", "broken")

    async with mesh(node_factory, breaks) as found, client_of(found.home, "legacy") as client:
        result = await client.call_tool("office__breaks", {})
        assert text_of(result) == "so far\nit broke (broken). The tool had begun to run."
