"""Large requests and answers in another API: converted in a thread, or refused by their values."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core import hookimpl
from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_model_proxy.api import ModelApi
from clawmatrix_model_proxy.convert.chat.codec import Chat
from clawmatrix_model_proxy.json_values import VALUES
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from clawmatrix_model_proxy.wire import Opening
from tests.plugins.model_proxy.serving.serving import ask, model

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_model_proxy.api import NeutralAnswer
    from tests.plugins.model_proxy.conftest import Asked, Serving, Upstreaming

pytestmark = pytest.mark.anyio

MESSAGES = Opening("messages", "m")
SHORT = '{"role":"user","content":[{"type":"text","text":"a"}]}'
"""A message of six values, as a client writes it that keeps all of a conversation in parts."""


def request(*messages: str) -> bytes:
    return b'{"model":"m","max_tokens":5,"messages":[%b]}' % ",".join(messages).encode()


def said(text: str, id: str = "c") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    return {"id": id, "choices": [{**choice, "finish_reason": "stop"}]}


class Noting(Chat):
    """A codec of a plugin that notes in which threads it works."""

    name = "noting"

    def __init__(self) -> None:
        self.threads: list[int] = []

    def write_request(self, *args: Any, **named: Any) -> dict[str, Any]:
        self.threads.append(threading.get_ident())
        return super().write_request(*args, **named)

    def read_answer(self, *args: Any, **named: Any) -> NeutralAnswer:
        self.threads.append(threading.get_ident())
        answer = super().read_answer(*args, **named)
        if answer.id == "fault":
            raise ZeroDivisionError
        return answer


class NotingPlugin:
    """Brings the API ``noting:chat``."""

    plugin_name = "noting"
    extends = ("model-proxy",)

    def __init__(self) -> None:
        self.codec = Noting()

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        return [ModelApi("noting:chat", {"noting": "chat/completions"}, self.codec)]


@pytest.mark.parametrize(("length", "in_a_thread"), [(10, False), (20 << 20, True)])
async def test_a_large_request_and_its_answer_are_converted_in_a_thread(
    length: int,
    in_a_thread: bool,
    serving: Serving,
    upstreaming: Upstreaming,
) -> None:
    words = "x" * length

    async def answer(asked: Asked) -> None:
        sent = json.loads(asked.body)["messages"][0]["content"]
        await asked.answer(json.dumps(said(sent)).encode())

    body = request(json.dumps({"role": "user", "content": words}))
    plugin = NotingPlugin()
    async with (
        upstreaming(answer) as up,
        serving(models=[model(up.base_url, api="noting:chat")], plugins=[plugin]) as node,
    ):
        head, got = await ask(node, body, opening=MESSAGES)
    assert head.status == 200
    assert json.loads(got)["content"][0]["text"] == words
    assert [one != threading.get_ident() for one in plugin.codec.threads] == [in_a_thread] * 2


@pytest.mark.faults_expected
async def test_a_codec_that_fails_in_a_thread_is_a_fault_of_its_plugin(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(json.dumps(said("x" * 100_000, "fault")).encode())

    plugin = NotingPlugin()
    async with upstreaming(answer) as up:
        config = {"model-proxy": {"models": [model(up.base_url, api="noting:chat")]}}
        plugins = [ModelProxyPlugin(), plugin]
        async with node_factory("home", plugins=plugins, config=config) as node:
            with pytest.raises(ExchangeFailure, match="plugin noting failed"):
                await ask(node, request(SHORT), opening=MESSAGES)
            [noting] = [info for info in node.plugins.list() if info.name == "noting"]
    assert plugin.codec.threads[-1] != threading.get_ident()
    assert "ZeroDivisionError" in str(noting.last_fault)


@pytest.mark.bound("clawmatrix_model_proxy.json_values.VALUES")
@pytest.mark.parametrize("times", [VALUES // 6 + 1, 370_000])
async def test_a_request_with_more_values_than_the_bound_is_refused_before_it_is_decoded(
    times: int, serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(json.dumps(said("hi")).encode())

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        with pytest.raises(ExchangeFailure, match="131,072 values") as caught:
            await ask(node, request(*[SHORT] * times), opening=MESSAGES)
        assert node.counters["model_cannot_convert"] == 1
        head, _ = await ask(node, request(*[SHORT] * 1000), opening=MESSAGES)
    assert (caught.value.code, caught.value.may_have_begun) == ("cannot_convert", False)
    assert head.status == 200
    assert [len(json.loads(asked.body)["messages"]) for asked in up.asked] == [1000]


@pytest.mark.parametrize("kind", ["one call", "many calls"])
async def test_values_in_the_arguments_of_calls_count_too(
    kind: str, serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}")

    count = 1 if kind == "one call" else 100
    arguments = json.dumps({"a": [[]] * (VALUES // count + 100)})
    calls = [
        {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": arguments}}
        for number in range(count)
    ]
    body = request(json.dumps({"role": "assistant", "content": None, "tool_calls": calls}))
    upstream = {"api": "anthropic-messages"}
    async with upstreaming(answer) as up, serving(models=[model(up.base_url, **upstream)]) as node:
        with pytest.raises(ExchangeFailure, match="131,072 values"):
            await ask(node, body, opening=Opening("chat", "m"))


@pytest.mark.parametrize(
    "answer",
    [
        b'{"id":"c","x":[' + b"[]," * VALUES + b"[]]}",
        b'{"object":"error","x":[' + b"[]," * VALUES + b"[]]}",
        json.dumps(
            {
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "tool_calls",
                        "message": {
                            "tool_calls": [
                                {
                                    "id": "c",
                                    "function": {
                                        "name": "f",
                                        "arguments": "{%s}" % ("[]," * VALUES),
                                    },
                                }
                            ]
                        },
                    }
                ]
            }
        ).encode(),
    ],
    ids=["answer", "error", "arguments"],
)
async def test_an_answer_with_more_values_than_the_bound_is_none(
    answer: bytes, serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answering(asked: Asked) -> None:
        await asked.answer(answer)

    async with upstreaming(answering) as up, serving(models=[model(up.base_url)]) as node:
        with pytest.raises(ExchangeFailure) as caught:
            await ask(node, request(SHORT), opening=MESSAGES)
    assert caught.value.code == "upstream_broke"
