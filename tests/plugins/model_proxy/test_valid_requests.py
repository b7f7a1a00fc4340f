"""What ordinary clients send is answered, over real nodes: who is asked, and what is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_model_proxy.api import ApiRules, ModelApi, StopRules, Words
from clawmatrix_model_proxy.convert.chat.codec import Chat
from tests.plugins.model_proxy.asking.asking import ALONE, Client
from tests.plugins.model_proxy.test_converted import (
    CHAT,
    END,
    MESSAGES,
    RESPONSES,
    SAID,
    TURNS,
    WHOLE,
    answers,
    ask,
    sse,
    streams,
    told,
)

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Upstreaming

pytestmark = pytest.mark.anyio

DROPPED = "x-clawmatrix-dropped"
JSON: dict[str, Any] = {"response_format": {"type": "json_object"}}
OBJECT = {**WHOLE[MESSAGES], "content": [{"type": "text", "text": '{"a": 1}'}]}


def served(*models: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Return a configuration with a model of several upstreams: URLs and APIs."""
    listed = [{"id": "m", "base_url": url, "api": api, **more} for url, api in models]
    return {"model-proxy": {"models": listed}}


# --- hints


@pytest.mark.parametrize("stream", [False, True])
async def test_the_client_is_told_what_was_dropped(
    stream: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers(WHOLE[MESSAGES])) as up:
        config = served((up.base_url, MESSAGES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking, plain = Client(home), Client(home)
            await ask(asking, "chat", stream=stream, seed=1, presence_penalty=0.1, n=1)
            await ask(plain, "chat", stream=stream, temperature=0.5)
    assert (asking.status, asking.headers[DROPPED]) == (200, "presence_penalty, seed")
    assert not {"seed", "presence_penalty"} & {*json.loads(up.asked[0].body)}
    assert (plain.status, DROPPED in plain.headers) == (200, False)


async def test_an_upstream_of_the_clients_own_api_is_told_everything(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers(WHOLE[CHAT])) as up:
        config = served((up.base_url, CHAT), strict=True)
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", seed=1, min_p=0.1, stop=["\n"], **JSON)
    assert (asking.status, DROPPED in asking.headers) == (200, False)
    sent = json.loads(up.asked[0].body)
    assert (sent["seed"], sent["min_p"], sent["stop"]) == (1, 0.1, ["\n"])


@pytest.mark.parametrize(
    ("api", "more", "param"),
    [
        (MESSAGES, {"seed": 1}, "seed"),
        (MESSAGES, JSON, "response_format"),
        (RESPONSES, {"stop": ["END"]}, "stop"),
    ],
)
async def test_a_strict_model_refuses_by_name(
    api: str,
    more: dict[str, Any],
    param: str,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    async with upstreaming(answers(WHOLE[api])) as up:
        config = served((up.base_url, api), strict=True)
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", **more)
    assert (asking.status, asking.error["param"]) == (400, param)
    assert asking.error["code"] == "cannot_convert"
    assert up.asked == []


# --- who is asked first


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ({}, MESSAGES),
        ({"temperature": 0.5, "user": "ann"}, MESSAGES),
        ({"seed": 7}, CHAT),
        (JSON, RESPONSES),
        ({**JSON, "stop": ["END"]}, CHAT),
        ({"logit_bias": {"5": 1}}, CHAT),
        ({"seed": None, "n": 1, "stop": []}, MESSAGES),
    ],
)
async def test_candidates_that_can_be_told_everything_are_asked_first(
    more: dict[str, Any], first: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(answers(OBJECT)) as messages,
        upstreaming(answers(WHOLE[RESPONSES])) as responses,
        upstreaming(answers(WHOLE[CHAT])) as chat,
    ):
        ups = {MESSAGES: messages, RESPONSES: responses, CHAT: chat}
        config = served(*((up.base_url, api) for api, up in ups.items()))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", **more)
    assert asking.status == 200
    assert {api for api, up in ups.items() if up.asked} == {first}


async def test_a_candidate_that_fails_leaves_the_request_to_one_that_is_told_less(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    gone = answers({"error": {"message": "gone"}}, status=404)
    async with upstreaming(answers(WHOLE[MESSAGES])) as less, upstreaming(gone) as more:
        config = served((less.base_url, MESSAGES), (more.base_url, CHAT))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", seed=7)
    assert (asking.status, asking.headers[DROPPED]) == (200, "seed")
    assert len(more.asked) == len(less.asked) == 1


# --- JSON


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_no_json_moves_on_and_counts_against_nobody(
    stream: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(answers(WHOLE[MESSAGES])) as wordy,
        upstreaming(answers(OBJECT)) as good,
    ):
        config = served((wordy.base_url, MESSAGES), (good.base_url, MESSAGES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            for _ in range(5):
                asking = Client(home)
                await ask(asking, "chat", stream=stream, **JSON)
                assert asking.status == 200
                assert "Good day." not in told(asking)
    assert len(wordy.asked) == len(good.asked) == 5  # its breaker stayed closed, and no retry


async def test_where_nobody_gives_json_the_client_gets_an_error(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers(WHOLE[MESSAGES])) as up:
        config = served((up.base_url, MESSAGES), (up.base_url, MESSAGES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", **JSON)
    assert (asking.status, asking.error["code"]) == (502, "answer_not_json")
    assert len(up.asked) == 2


async def test_a_held_stream_that_is_no_json_is_replaced_and_a_live_one_ends_in_an_error(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    wordy = streams(*SAID[MESSAGES], *END[MESSAGES])
    async with upstreaming(wordy) as up, upstreaming(answers(OBJECT)) as good:
        config = served((up.base_url, MESSAGES), (good.base_url, MESSAGES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            held, live = Client(home), Client(home)
            body = {"model": "m", "messages": TURNS, "stream": True, **JSON}
            await held.ask(body, **{"x-clawmatrix-hold": "whole"})
            await ask(live, "chat", stream=True, **JSON)
    assert '{\\"a\\": 1}' in told(held)
    assert "Good" not in told(held)
    assert told(held).endswith("data: [DONE]\n\n")
    assert "Good" in told(live)
    assert "answer_not_json" in told(live)
    assert "[DONE]" not in told(live)


# --- stops


def responses(*words: str) -> list[bytes]:
    """Return a stream of Responses that says these words, and has no end."""
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    return sse(
        {"type": "response.created", "response": {"id": "r", "model": "m", "output": []}},
        *({"type": "response.output_text.delta", **place, "delta": word} for word in words),
    )


async def test_a_stream_ends_at_a_sequence_while_the_upstream_goes_on(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Any) -> None:
        await asked.begin_stream()
        await asked.chunk(b"".join(responses("Think. Obser", "vation: x")))
        await asked.wait_gone()

    async with upstreaming(answer) as up:
        config = served((up.base_url, RESPONSES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", stream=True, stop=["Observation:"])
    assert asking.status == 200
    assert "Think. " in told(asking)
    assert "Obser" not in told(asking)
    assert '"finish_reason":"stop"' in told(asking)
    assert told(asking).endswith("data: [DONE]\n\n")


async def test_an_answer_in_one_piece_ends_at_a_sequence(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    whole = {**WHOLE[RESPONSES], "usage": {"input_tokens": 3, "output_tokens": 9}}
    async with upstreaming(answers(whole)) as up:
        config = served((up.base_url, RESPONSES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "messages", stop_sequences=["day"])
    body = json.loads(asking.body)
    assert body["content"][0]["text"] == "Good "
    assert (body["stop_reason"], body["stop_sequence"]) == ("stop_sequence", "day")
    assert body["usage"]["output_tokens"] == 9
    assert "stop" not in json.loads(up.asked[0].body)


async def test_an_answer_that_ends_before_the_sequence_is_as_broken_as_without(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(streams(*responses("Think. ", "Obs"), cut=True)) as up:
        config = served((up.base_url, RESPONSES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "chat", stream=True, stop=["Observation:"])
    assert '"error"' in told(asking)
    assert "[DONE]" not in told(asking)


# --- APIs of plugins


class Rules:
    """A plugin whose API is chat completions with rules of its own."""

    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        return [ModelApi("rules:chat", {"rules": "chat/completions"}, Strict())]


class Strict(Chat):
    """A codec with rules."""

    name = "rules"
    rules = ApiRules(
        tool_names=Words("a-z0-9_", 20),
        stops=StopRules(most=0),
        json=False,
        call_ids=Words("a-z0-9_", 20),
    )


async def test_the_node_keeps_to_the_rules_of_a_plugins_api(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    inner = {"name": "read-file", "arguments": "{}"}

    async def answer(asked: Any) -> None:
        [tool] = json.loads(asked.body)["tools"]
        name = {"name": tool["function"]["name"], "arguments": "{}"}
        made = {"id": "c", "type": "function", "function": name}
        message = {"role": "assistant", "content": "Hi", "tool_calls": [made]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        await asked.answer(json.dumps({**WHOLE[CHAT], "choices": [choice]}).encode())

    async with upstreaming(answer) as up:
        config = served((up.base_url, "rules:chat"))
        node = node_factory("home", built_in=ALONE, plugins=[Rules()], config=config)
        async with node as home:
            asking = Client(home)
            function = {"name": "read-file", "parameters": {"type": "object"}}
            tools = [{"type": "function", "function": function}]
            await ask(asking, "chat", tools=tools, stop=["END"])
    assert asking.status == 200
    [choice] = json.loads(asking.body)["choices"]
    assert choice["message"]["tool_calls"][0]["function"] == inner
    sent = json.loads(up.asked[0].body)
    assert "stop" not in sent
    assert sent["tools"][0]["function"]["name"].isascii()
    assert "-" not in sent["tools"][0]["function"]["name"]
