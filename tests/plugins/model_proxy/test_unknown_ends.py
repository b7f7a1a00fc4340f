"""Answers that end for a reason that nobody knows, in each API, whole and as streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.model_proxy.asking.asking import ALONE, Client
from tests.plugins.model_proxy.test_converted import (
    CHAT,
    MESSAGES,
    RESPONSES,
    SAID,
    WHOLE,
    answers,
    ask,
    chunk,
    looks_whole,
    serving,
    sse,
    streams,
    told,
)

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Answer, Upstreaming

pytestmark = pytest.mark.anyio

CLIENTS = ("chat", "responses", "messages")


def whole(api: str, word: object) -> dict[str, Any]:
    """Return a whole answer of an API that ends for a reason."""
    body = WHOLE[api]
    if api == CHAT:
        [choice] = body["choices"]
        return {**body, "choices": [{**choice, "finish_reason": word}]}
    return {**body, "stop_reason" if api == MESSAGES else "status": word}


def end(api: str, word: object) -> list[bytes]:
    """Return the end of a stream of an API that ends for a reason."""
    if api == CHAT:
        return sse(chunk(None, str(word)), "[DONE]")
    if api == RESPONSES:
        return sse({"type": "response.completed", "response": whole(api, word)})
    return sse(
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": word}, "usage": {}},
        {"type": "message_stop"},
    )


async def asked_of(
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    answer: Answer,
    api: str,
    client: str,
    *,
    stream: bool = False,
) -> tuple[Client, int]:
    """Return what a client got of an upstream, and how often that was asked."""
    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serving(up.base_url, api)) as home,
    ):
        asking = Client(home)
        await ask(asking, client, stream=stream)
    return asking, len(up.asked)


UNKNOWN = [
    (CHAT, "eos_found"),
    (CHAT, "COMPLETE"),
    (CHAT, "a later reason"),
    (MESSAGES, "compaction"),
    (MESSAGES, "finished"),
    (RESPONSES, "succeeded"),
    (RESPONSES, "done"),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("api", "word"), UNKNOWN)
async def test_an_answer_is_whole_whatever_word_it_has_for_its_end(
    client: str, api: str, word: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    asking, asked = await asked_of(
        node_factory, upstreaming, answers(whole(api, word)), api, client
    )
    assert (asking.status, asked) == (200, 1), told(asking)
    assert "Good day." in told(asking)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("api", "word"), UNKNOWN)
async def test_a_stream_is_whole_whatever_word_it_has_for_its_end(
    client: str, api: str, word: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    asking, asked = await asked_of(
        node_factory, upstreaming, streams(*SAID[api], *end(api, word)), api, client, stream=True
    )
    assert (asking.status, asked) == (200, 1), told(asking)
    ended = told(asking).replace("response.incomplete", "response.completed")
    assert looks_whole(client, ended), ended
    assert "error" not in told(asking).replace('"error":null', "")


@pytest.mark.parametrize("client", ["responses", "messages"])
async def test_an_end_of_responses_in_a_word_of_the_servers_own_is_one(
    client: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    last = {"type": "response.finished", "response": whole(RESPONSES, "finished")}
    answer = streams(*SAID[RESPONSES], *sse(last))
    asking, _ = await asked_of(node_factory, upstreaming, answer, RESPONSES, client, stream=True)
    assert "error" not in told(asking).replace('"error":null', "")
    assert asking.body.endswith(sse(last)[0]) or looks_whole(client, told(asking))


async def test_a_call_that_talks_of_a_failure_is_no_failure(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    told_of = {"stop_reason": "error", "finish_reason": "timeout"}
    call = {"type": "tool_use", "id": "t", "name": "report", "input": told_of}
    body = {**WHOLE[MESSAGES], "content": [call], "stop_reason": "tool_use"}
    asking, _ = await asked_of(node_factory, upstreaming, answers(body), MESSAGES, "messages")
    assert json.loads(asking.body)["content"] == [call]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("api", "word"),
    [(CHAT, "user_cancelled"), (CHAT, "ENGINE_ERROR"), (MESSAGES, "timeout"), (CHAT, "abort")],
)
async def test_half_an_answer_that_says_so_never_looks_whole(
    client: str,
    api: str,
    word: str,
    *,
    stream: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    said = streams(*SAID[api], *end(api, word)) if stream else answers(whole(api, word))
    asking, _ = await asked_of(node_factory, upstreaming, said, api, client, stream=stream)
    if stream:
        assert not looks_whole(client, told(asking))
        assert "error" in told(asking)
    else:
        assert asking.status == 502
        assert word in json.loads(asking.body)["error"]["message"]
