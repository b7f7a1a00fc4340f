"""The API of the page on model APIs, before a server that speaks it; it is the page's own code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.doctor.running import run_checks
from tests.plugins.model_proxy.asking.asking import ALONE, Client
from tests.plugins.model_proxy.example_api.quill import QuillPlugin

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

KEY = "quills-own-key-0123456789"
PAGE = Path(__file__).parents[4] / "docs" / "model-apis.md"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
STAMP = "a stamp, \u00fc"
CALL = {"tool": "weather", "with": {"city": "Oslo"}, "stamp": STAMP}


class Quill:
    """The server: asks for a tool first, and talks when its stamp came back."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def answer(self, asked: Asked) -> None:
        head = asked.head.decode()
        first = head.split("\r\n")[0]
        assert f"x-quill-key: {KEY}" in head.split("\r\n")
        if first.startswith("GET"):
            self.asked.append((first, {}))
            await asked.answer(json.dumps({"writers": ["plume"]}).encode())
            return
        body = json.loads(asked.body)
        self.asked.append((first, body))
        events = self.events(body)
        if events is None:
            await asked.answer(b'{"problem": "a stamp is missing"}', status=400)
        elif body["stream"]:
            await asked.begin_stream()
            for event in events:
                await asked.chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
            await asked.end_stream()
        else:
            whole: dict[str, Any] = {}
            for event in events:
                said = whole.get("say", "") + event.get("say", "")
                whole |= {**event, "say": said}
            await asked.answer(json.dumps(whole).encode())

    def events(self, body: dict[str, Any]) -> list[dict[str, Any]] | None:
        calls = [call for line in body["script"] for call in line.get("ask", ())]
        if any(call.get("stamp") != STAMP for call in calls):
            return None
        spent = {"spent": {"read": 9, "wrote": 4}}
        if "tools" in body and not calls:
            return [{"id": "q1", "say": "I look."}, {"ask": [CALL]}, {"because": "asked", **spent}]
        return [{"id": "q2", "say": "Rainy, "}, {"say": "as ever."}, {"because": "done", **spent}]


def config(base_url: str) -> dict[str, Any]:
    model = {"id": "m", "base_url": base_url, "api": "quill:talk", "api_key": KEY}
    return {"model-proxy": {"models": [{**model, "upstream_model": "plume", "max_tokens": 50}]}}


def test_the_page_has_the_file_as_it_is_and_it_is_short() -> None:
    code = Path(__file__).with_name("quill.py").read_text()
    [shown] = re.findall(
        r"<!-- start quill\.py -->\n```python\n(.*?)```\n<!-- end quill\.py -->",
        PAGE.read_text(),
        re.DOTALL,
    )
    assert shown == code
    assert code.count("\n") < 250


@pytest.mark.both_loops
@pytest.mark.parametrize("stream", [False, True])
async def test_a_loop_of_tools_with_a_client_of_messages(
    stream: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    quill = Quill()
    async with upstreaming(quill.answer) as up:
        node = node_factory(
            "home", built_in=ALONE, plugins=[QuillPlugin()], config=config(up.base_url)
        )
        async with node as home:
            said: list[Any] = [{"role": "user", "content": "How is the weather?"}]
            first = Client(home)
            await first.call("/v1/messages", "/v1/messages", request(said, stream=False))
            blocks = json.loads(first.body)["content"]
            said.append({"role": "assistant", "content": blocks})
            result = {"type": "tool_result", "tool_use_id": blocks[1]["id"], "content": "rain"}
            said.append({"role": "user", "content": [result]})
            second = Client(home)
            await second.call("/v1/messages", "/v1/messages", request(said, stream=stream))
    assert [block["type"] for block in blocks] == ["text", "tool_use"]
    assert (second.status, blocks[1]["input"]) == (200, {"city": "Oslo"})
    if stream:
        assert b"Rainy, " in second.body
        assert b"event: message_stop" in second.body
    else:
        answer = json.loads(second.body)
        assert answer["content"][0]["text"] == "Rainy, as ever."
        assert (answer["usage"]["input_tokens"], answer["stop_reason"]) == (9, "end_turn")
    target = "talk?events=yes" if stream else "talk"
    assert quill.asked[1][0] == f"POST /v1/{target} HTTP/1.1"
    sent = quill.asked[1][1]
    assert (sent["model"], sent["longest"], sent["must"]) == ("plume", 99, "maybe")
    assert sent["script"][2] == {
        "who": "tool",
        "about": sent["script"][1]["ask"][0]["id"],
        "say": "rain",
    }


def request(said: list[Any], *, stream: bool) -> bytes:
    tools = [{"name": "weather", "input_schema": WEATHER}]
    body = {"model": "m", "max_tokens": 99, "messages": said, "tools": tools, "stream": stream}
    return json.dumps(body).encode()


async def test_settings_are_moved_refused_or_dropped(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    quill = Quill()
    hello = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}
    async with upstreaming(quill.answer) as up:
        node = node_factory(
            "home", built_in=ALONE, plugins=[QuillPlugin()], config=config(up.base_url)
        )
        async with node as home:
            moved, refused = Client(home), Client(home)
            await moved.ask({**hello, "temperature": 0.5, "user": "someone", "store": True})
            await refused.ask({**hello, "top_p": 0.5})
    assert (moved.status, quill.asked[0][1]["style"]) == (200, {"boldness": 0.5})
    assert quill.asked[0][1]["longest"] == 50
    assert (refused.status, refused.error["param"]) == (400, "top_p")
    assert len(quill.asked) == 1


async def test_errors_and_the_list_of_models_are_read(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    quill = Quill()
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    said = [
        {"role": "user", "content": "How?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
    ]
    async with upstreaming(quill.answer) as up:
        node = node_factory(
            "home", built_in=ALONE, plugins=[QuillPlugin()], config=config(up.base_url)
        )
        async with node as home:
            client = Client(home)
            await client.ask({"model": "m", "messages": said})
            found = await run_checks(home.checks())
    assert (client.status, client.error["message"]) == (400, "a stamp is missing")
    assert quill.asked[1][0] == "GET /v1/writers HTTP/1.1"
    [told] = [one for one in found if one.name == "model-proxy.upstream"]
    assert told.status == "ok", told.detail
