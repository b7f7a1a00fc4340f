"""A prompt that is too long for the first candidate: who is asked next, and what clients get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.model_proxy.asking.asking import ALONE, Client
from tests.plugins.model_proxy.test_converted import (
    CHAT,
    MESSAGES,
    PATHS,
    RESPONSES,
    WHOLE,
    answers,
    ask,
    sse,
    streams,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

    Answer = Callable[[Asked], Awaitable[None]]

pytestmark = pytest.mark.anyio

WORDS = "This model's maximum prompt length is 8 but the request contains 9 tokens."
BODIES: dict[str, Any] = {
    "a text": {"error": WORDS},
    "a message": {"error": {"message": WORDS, "type": "invalid", "code": 400}},
    "detail": {"detail": WORDS},
    "top": {"message": WORDS, "code": 2013},
    "a list": [{"error": {"message": WORDS}}],
    "raw": {"error": {"message": "no", "metadata": {"raw": json.dumps({"detail": WORDS})}}},
    "a code alone": {"error": {"message": "no", "code": "model_max_prompt_tokens_exceeded"}},
}
APIS = (CHAT, RESPONSES, MESSAGES)


def serving(*urls: str, api: str = CHAT) -> dict[str, Any]:
    return {"model-proxy": {"models": [{"id": "m", "base_url": url, "api": api} for url in urls]}}


async def ask_four_times(
    first: Answer,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    *,
    client: str = "chat",
    stream: bool = False,
    api: str = CHAT,
) -> tuple[list[int], int, int]:
    """Return the statuses, and how often the first candidate was asked, and the second."""
    statuses = []
    async with upstreaming(first) as one, upstreaming(answers(WHOLE[api])) as two:
        config = serving(one.base_url, two.base_url, api=api)
        async with node_factory("home", built_in=ALONE, config=config) as home:
            for _ in range(4):
                asking = Client(home)
                await ask(asking, client, stream=stream)
                statuses.append(asking.status)
        return statuses, len(one.asked), len(two.asked)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [400, 413, 422, 500])
async def test_the_next_candidate_is_asked_and_no_breaker_opens(
    body: Any, status: int, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    # An open breaker would put the first candidate behind the second.
    asked = await ask_four_times(answers(body, status), node_factory, upstreaming)
    assert asked == ([200] * 4, 4, 4)


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", [BODIES["a text"], BODIES["a message"]], ids=["text", "object"])
async def test_an_event_before_the_answer_is_as_good_as_a_status(
    body: dict[str, Any],
    api: str,
    client: str,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    event = body if api == CHAT else {"type": "error", **body}
    first = streams(*sse(event))
    asked = await ask_four_times(
        first, node_factory, upstreaming, client=client, stream=True, api=api
    )
    assert asked == ([200] * 4, 4, 4)


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens must be at most 8192",
        "too many tokens per minute: reduce the length of messages",
    ],
)
async def test_other_words_about_tokens_end_the_request(
    message: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    first = answers({"error": {"message": message}}, 400)
    assert await ask_four_times(first, node_factory, upstreaming) == ([400] * 4, 4, 0)


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_without_another_candidate_clients_get_their_apis_own_error(
    body: Any, api: str, client: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answers(body, 422)) as up:
        config = serving(up.base_url, api=api)
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, client)
    assert (asking.status, asking.error["type"]) == (400, "invalid_request_error")
    if client == "messages":
        assert asking.error["message"].startswith("prompt is too long: ")
    else:
        assert asking.error["code"] == "context_length_exceeded"


@pytest.mark.parametrize("client", PATHS)
async def test_an_event_alone_becomes_that_error_too(
    client: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(streams(*sse({"error": WORDS}))) as up,
        node_factory("home", built_in=ALONE, config=serving(up.base_url)) as home,
    ):
        asking = Client(home)
        await ask(asking, client, stream=True)
    assert (asking.status, asking.error["type"]) == (400, "invalid_request_error")
    assert WORDS in asking.error["message"]


@pytest.mark.parametrize(
    ("client", "api", "error"),
    [
        ("chat", CHAT, {"code": "context_length_exceeded", "message": "x", "more": [1]}),
        ("messages", MESSAGES, {"type": "invalid_request_error", "message": "prompt is too long"}),
    ],
)
async def test_an_error_that_clients_know_passes_byte_for_byte(
    client: str,
    api: str,
    error: dict[str, Any],
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    body = json.dumps({"error": error}, indent=1).encode()

    async def answer(asked: Asked) -> None:
        await asked.answer(body, status=413)

    async with upstreaming(answer) as up:
        config = serving(up.base_url, api=api)
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, client)
    assert (asking.status, asking.body) == (400, body)
