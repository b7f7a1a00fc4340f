"""Arguments that are repeated in headers: a server of the SDK looks at them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import validate_mcp_param_headers

from clawmatrix_mcp.stdio import parameters
from clawmatrix_mcp.stdio.message import read_message
from clawmatrix_mcp.stdio.parameters import ParameterHeaders
from tests.plugins.mcp.stdio.pumping import MODERN, machine_and_client
from tests.plugins.mcp.stdio.sdk_server import Machine

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "x-mcp-header": "Text"},
        "deep": {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "x-mcp-header": "Count"},
                "loud": {"type": "boolean", "x-mcp-header": "Loud"},
            },
        },
        "plain": {"type": "string"},
    },
}


def learned(*names: str) -> ParameterHeaders:
    headers = ParameterHeaders()
    tools = [{"name": name, "inputSchema": SCHEMA} for name in names]
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}
    headers.learn(read_message(json.dumps(answer).encode()))
    return headers


def call(name: str, arguments: object) -> bytes:
    params = {"name": name, "arguments": arguments, "_meta": MODERN}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(message).encode()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "text": st.text(st.characters(exclude_categories=["Cs"])) | st.none(),
            "plain": st.text(),
            "deep": st.fixed_dictionaries(
                {}, optional={"count": st.integers(), "loud": st.booleans() | st.none()}
            ),
        },
    )
)
def test_the_sdk_finds_them_right(arguments: dict[str, Any]) -> None:
    headers = learned("echo").of(read_message(call("echo", arguments)))
    assert validate_mcp_param_headers(SCHEMA, arguments, headers) is None


@pytest.mark.parametrize("arguments", [None, [], "x", {"text": [1]}, {"deep": 7}])
def test_arguments_of_another_form_are_repeated_nowhere(arguments: object) -> None:
    assert learned("echo").of(read_message(call("echo", arguments))) == {}


def test_a_tool_without_marks_has_no_headers() -> None:
    headers = learned("echo")
    assert headers.of(read_message(call("other", {"text": "x"}))) == {}
    plain = {"result": {"tools": [{"name": "echo", "inputSchema": {"title": "x-mcp-header"}}]}}
    headers.learn(read_message(json.dumps({"jsonrpc": "2.0", "id": 1, **plain}).encode()))
    assert headers.of(read_message(call("echo", {"text": "x"}))) == {}


@pytest.mark.bound("clawmatrix_mcp.stdio.parameters.MAX_TOOLS")
def test_it_forgets_before_it_knows_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "MAX_TOOLS", 2)
    headers = learned("a", "b", "c")
    known = [name for name in "abc" if headers.of(read_message(call(name, {"text": "x"})))]
    assert known == ["c"]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("lists", [False, True])
async def test_a_call_has_them_whether_the_client_has_listed_or_not(lists: bool) -> None:
    machine = Machine(schema=SCHEMA)
    async with machine_and_client(machine) as client:
        if lists:
            await client.ask_modern("tools/list")
        arguments = {"text": "ä\n", "deep": {"count": 3, "loud": True}}
        answer = await client.ask_modern("tools/call", id_="c", name="echo", arguments=arguments)
        assert answer["id"] == "c"
        assert "result" in answer, answer
        assert answer["result"]["content"][0]["text"] == "ä\n"
        assert machine.begun == ["echo"]
