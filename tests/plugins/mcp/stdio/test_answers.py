"""Errors for a client: the node gives no valid MCP answer, or the message is malformed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from starlette.responses import Response, StreamingResponse

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.stdio import pump as pump_module
from tests.plugins.mcp.stdio.pumping import MODERN, machine_and_client, pumping, serving
from tests.plugins.mcp.stdio.sdk_server import Machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]
EVENTS = {"content-type": "text/event-stream"}


@attrs.define
class Script:
    """A server that gives one answer to everything."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = attrs.field(factory=dict)
    asked: list[dict[str, str]] = attrs.field(factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append({k.decode(): v.decode() for k, v in scope["headers"]})
        answer: Response = Response(self.body, self.status, self.headers)
        if self.headers == EVENTS:
            answer = StreamingResponse(self._parts(), headers=self.headers)
        await answer(scope, receive, send)

    async def _parts(self) -> AsyncIterator[bytes]:
        for byte in self.body:
            yield bytes([byte])


RPC = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"1,024 requests are open"}}'
REFUSALS = [
    (404, b'{"error": "no such path"}', "no_mcp", "has no /mcp", False),
    (413, b'{"error": "too large"}', "too_long", "max_body", False),
    (403, b"no", "refused", "refused the request", False),
    (500, b"a fault", "refused", "status 500: a fault", False),
    (503, b"", "refused", "status 503", False),
    (200, b"<html>", "bad_answer", "no message", True),
    (200, b"", "bad_answer", "no message", True),
]


@pytest.mark.parametrize(("status", "body", "word", "told", "ran"), REFUSALS)
async def test_a_refusal_is_told_in_words(
    status: int, body: bytes, word: str, told: str, ran: bool
) -> None:
    async with serving(Script(status, body)) as target, pumping(target) as client:
        answer = await client.ask_modern("tools/call", id_="x", name="echo")
    assert answer["id"] == "x"
    assert answer["error"]["data"] == {"error": word, "mayHaveRun": ran}
    assert told in answer["error"]["message"]


async def test_an_error_that_names_no_request_answers_this_one() -> None:
    async with serving(Script(503, RPC)) as target, pumping(target) as client:
        answer = await client.ask_modern("tools/list", id_=9)
    assert answer["id"] == 9
    assert answer["error"] == {"code": -32000, "message": "1,024 requests are open"}


async def test_a_stream_is_passed_on_line_by_line_whatever_its_form() -> None:
    pretty = json.dumps({"jsonrpc": "2.0", "id": 4, "result": {"text": "é\u2028"}}, indent=1)
    notice = '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
    data = "".join(f"data: {one}\r\n" for one in pretty.splitlines())
    stream = f": ping\r\n\r\ndata: {notice}\n\nevent: message\r\n{data}\r\n"
    script = Script(body=stream.encode(), headers=EVENTS)
    async with serving(script) as target, pumping(target) as client:
        first = await client.ask_modern("tools/call", id_=4, name="echo")
        assert first == json.loads(notice)
        assert await client.receive() == json.loads(pretty)


@pytest.mark.parametrize("end", [b"", b"data: {no json}\n\n", b'data: {"id": [1]}\n\n'])
async def test_a_stream_without_a_result_is_an_error(end: bytes) -> None:
    script = Script(body=b": ping\n\n" + end, headers=EVENTS)
    async with serving(script) as target, pumping(target) as client:
        answer = await client.ask_modern("tools/call", name="echo")
    assert answer["error"]["data"]["mayHaveRun"] is True
    assert "it may have run" in answer["error"]["message"]


async def test_what_is_no_message_is_answered_and_passed_over() -> None:
    async with machine_and_client(Machine()) as client:
        for line in ("nothing", "[]", '{"id": 1, "method": 7}', "\xff"):
            client.send_line(line)
            answer = await client.receive()
            assert (answer["id"], answer["error"]["code"]) == (None, -32700)
        client.send({"method": "notifications/cancelled", "params": {"requestId": "unknown"}})
        client.send({"method": "notifications/cancelled", "params": {}})
        assert "result" in await client.ask_modern("tools/list")


async def test_a_request_does_not_overtake_what_has_no_answer() -> None:
    script = Script(404)
    async with serving(script) as target, pumping(target) as client:
        client.send({"method": "notifications/roots/list_changed", "params": {"_meta": MODERN}})
        client.send({"id": 5, "result": {}})
        await client.ask_modern("tools/list")
    assert [one.get("mcp-method") for one in script.asked] == [
        "notifications/roots/list_changed",
        None,
        "tools/list",
    ]


async def test_what_a_client_sends_has_the_headers_of_its_era() -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-06-18"}})
    script = Script(200, body.encode(), {"content-type": "application/json", "mcp-session-id": "s"})
    async with serving(script) as target, pumping(target) as client:
        await client.ask_modern("resources/read", uri="mesh://office/x")
        await client.ask("initialize", {"protocolVersion": "2025-11-25"})
        await client.ask("ping")
        await client.ask_modern("ping")
    modern, opening, legacy, again = script.asked[:4]
    assert modern["mcp-protocol-version"] == "2026-07-28"
    assert (modern["mcp-method"], modern["mcp-name"]) == ("resources/read", "mesh://office/x")
    assert not {"mcp-session-id", "mcp-protocol-version", "mcp-method"} & opening.keys()
    assert (legacy["mcp-session-id"], legacy["mcp-protocol-version"]) == ("s", "2025-06-18")
    assert "mcp-session-id" not in again
    assert script.asked[4]["mcp-session-id"] == "s"  # the end of the session
    assert all(one["authorization"].startswith("Bearer ") for one in script.asked)


@pytest.mark.bound("clawmatrix_mcp.stdio.pump.MAX_UNDER_WAY")
async def test_too_many_requests_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "MAX_UNDER_WAY", 3)
    machine = Machine()
    async with machine_and_client(machine) as client:
        for id_ in range(3):
            params: dict[str, Any] = {"name": "wait", "_meta": MODERN}
            client.send({"id": id_, "method": "tools/call", "params": params})
        await wait_until(lambda: len(machine.begun) == 3)
        turned_away = await client.ask_modern("tools/list", id_=3)
        assert turned_away["error"]["data"] == {"error": "too_many", "mayHaveRun": False}
        client.send({"method": "notifications/roots/list_changed"})
        await wait_until(lambda: len(client.told) == 1)
        assert client.told == ["left out a message of the client: 3 messages are under way"]
        client.send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await wait_until(lambda: machine.cancelled == 1)
