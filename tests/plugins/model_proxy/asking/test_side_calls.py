"""Counting and embeddings decide nothing about answers; what upstreams lack is remembered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.clock import Clock, loop_time
from clawmatrix_model_proxy.lacks import REMEMBERED_FOR
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from tests.plugins.model_proxy.asking.asking import ALONE, LINE, Client, network
from tests.plugins.model_proxy.test_converted import (
    CHAT,
    COUNT,
    MESSAGES,
    RESPONSES,
    TURNS,
    WHOLE,
    ask,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstream, Upstreaming

    Answer = Callable[[Asked], Awaitable[None]]

pytestmark = pytest.mark.anyio

EMBEDDINGS = "/v1/embeddings"
USAGE: dict[str, Any] = {
    CHAT: {"prompt_tokens": 11, "completion_tokens": 1, "total_tokens": 12},
    RESPONSES: {"input_tokens": 11, "output_tokens": 1, "total_tokens": 12},
    MESSAGES: {"input_tokens": 11, "output_tokens": 1},
}
VECTOR = {"object": "list", "data": [{"embedding": [1.0]}], "model": "m"}
BODIES: dict[str, dict[str, Any]] = {
    EMBEDDINGS: {"model": "m", "input": "hello"},
    COUNT: {"model": "m", "messages": TURNS},
}


def path_of(asked: Asked) -> str:
    """Return the path that an upstream was asked at."""
    return asked.head.split()[1].decode()


def paths(upstream: Upstream) -> list[str]:
    return [path_of(asked) for asked in upstream.asked]


def lacking(api: str, status: int, body: Any = "no such thing") -> Answer:
    """Return what answers as its API does, and refuses counting and embeddings."""

    async def answer(asked: Asked) -> None:
        path = path_of(asked)
        if path.endswith(("input_tokens", "count_tokens", "embeddings", ":countTokens")):
            await asked.answer(json.dumps(body).encode(), status=status)
        else:
            whole = {**WHOLE[api], "usage": USAGE[api]}
            await asked.answer(json.dumps(whole).encode())

    return answer


async def embeds(asked: Asked) -> None:
    """Answer everything with a vector, or with the answer of a chat."""
    body = (
        VECTOR if path_of(asked).endswith("embeddings") else {**WHOLE[CHAT], "usage": USAGE[CHAT]}
    )
    await asked.answer(json.dumps(body).encode())


def serving(*upstreams: tuple[str, str]) -> dict[str, Any]:
    models = [{"id": "m", "base_url": url, "api": api} for url, api in upstreams]
    return {"model-proxy": {"models": models}}


async def side_call(node: Node, path: str, **more: Any) -> Client:
    client = Client(node)
    await client.call(path, path, json.dumps({**BODIES[path], **more}).encode())
    return client


def described(node: Node, upstream: int = 0) -> dict[str, Any]:
    """Return what ``clawmatrix models`` is told of an upstream."""
    plugin = node.plugins.find(ModelProxyPlugin)
    assert plugin is not None
    [section] = plugin.register_status(node)
    told: Any = section.read()
    found: dict[str, Any] = told["models"][0]["nodes"][0]["upstreams"][upstream]
    return found


def lacks(node: Node, upstream: int = 0) -> list[str]:
    return [lack["what"] for lack in described(node, upstream)["lacks"]]


@pytest.mark.parametrize("path", [COUNT, EMBEDDINGS])
@pytest.mark.parametrize("status", [404, 405, 501, 500, 503, 401])
async def test_a_side_call_opens_no_breaker_of_answers(
    path: str, status: int, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        side = path == COUNT or path_of(asked).endswith("embeddings")
        refused = side and b'"say"' not in asked.body
        whole = json.dumps(WHOLE[CHAT]).encode()
        await asked.answer(b"{}" if refused else whole, status=status if refused else 200)

    async with upstreaming(answer) as up:
        config = serving((up.base_url, CHAT))
        config["model-proxy"]["total_timeout"] = "1s"
        async with node_factory("home", built_in=ALONE, config=config) as home:
            for _ in range(4):
                asking = await side_call(home, path)
                assert asking.status == status
            told = described(home)
            answered = Client(home)
            await ask(answered, "chat", messages=[{"role": "user", "content": "say"}])
    assert (told["breaker"], told["calls"], told["errors"], told["why"]) == ("closed", 0, 0, None)
    assert answered.status == 200


@pytest.mark.parametrize("path", [COUNT, EMBEDDINGS])
async def test_a_side_call_moves_no_answers_to_another_candidate(
    path: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    first = lacking(RESPONSES, 404)
    async with upstreaming(first) as one, upstreaming(embeds) as two:
        config = serving((one.base_url, RESPONSES), (two.base_url, CHAT))
        config["model-proxy"]["balance"] = "first-token"
        async with node_factory("home", built_in=ALONE, config=config) as home:
            for _ in range(6):
                assert (await side_call(home, path)).status == 200
            asking = Client(home)
            await ask(asking, "responses")
    assert paths(one)[-1].endswith("/responses")
    assert asking.status == 200


async def test_a_key_that_may_not_embed_is_as_good_for_answers(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        refused = path_of(asked).endswith("embeddings")
        body = json.dumps(WHOLE[CHAT]).encode()
        await asked.answer(body, status=403 if refused else 200)

    async with upstreaming(answer) as up:
        config = serving((up.base_url, CHAT))
        config["model-proxy"]["models"][0]["api_keys"] = ["first-key-of-all", "second-key-of-all"]
        async with node_factory("home", built_in=ALONE, config=config) as home:
            assert (await side_call(home, EMBEDDINGS)).status == 403
            await ask(Client(home), "chat")
    assert b"first-key-of-all" in up.asked[-1].head


# --- counting where the upstream lacks the way that its API has for it


@pytest.mark.parametrize("api", [RESPONSES, MESSAGES])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "no such thing"),
        (405, {"detail": "Method Not Allowed"}),
        (501, {"error": {"message": "not here", "code": 501}}),
        (200, {"error": "Unexpected endpoint or method. (POST)"}),
        (200, {"hello": "world"}),
        (400, {"error": {"message": "Unknown parameter: 'system'.", "code": "unknown_parameter"}}),
    ],
)
async def test_it_is_counted_as_chat_is_and_the_way_is_left_after_two_refusals(
    status: int, body: Any, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    later = [0.0]
    clock = Clock(now=lambda: loop_time() + later[0])
    async with upstreaming(lacking(api, status, body)) as up:
        config = serving((up.base_url, api))
        async with node_factory("home", built_in=ALONE, config=config, clock=clock) as home:
            for known in ([], [1], [1], [1]):
                asking = await side_call(home, COUNT)
                assert (asking.status, json.loads(asking.body)) == (200, {"input_tokens": 11})
                assert len(lacks(home)) == len(known)
            tried = [path for path in paths(up) if path.endswith("tokens")]
            assert (len(tried), len(up.asked)) == (2, 6)
            later[0] = REMEMBERED_FOR
            assert lacks(home) == []
            await side_call(home, COUNT)
    assert paths(up)[-2].endswith("tokens")


async def test_an_upstream_that_counts_is_asked_for_counts_alone(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"object": "response.input_tokens", "input_tokens": 7}')

    async with upstreaming(answer) as up:
        config = serving((up.base_url, RESPONSES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = await side_call(home, COUNT)
    assert json.loads(asking.body) == {"input_tokens": 7}
    assert paths(up) == ["/v1/responses/input_tokens"]


async def test_a_prompt_that_is_too_long_to_count_is_told(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    said = {"error": {"message": "prompt is too long", "type": "invalid_request_error"}}
    async with upstreaming(lacking(RESPONSES, 400, said)) as up:
        config = serving((up.base_url, RESPONSES))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = await side_call(home, COUNT)
    assert (asking.status, len(up.asked)) == (400, 1)


# --- what the asking node remembers


async def test_what_was_refused_twice_is_asked_of_others_first(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    later = [0.0]
    clock = Clock(now=lambda: loop_time() + later[0])
    async with upstreaming(lacking(CHAT, 501)) as one, upstreaming(embeds) as two:
        config = serving((one.base_url, CHAT), (two.base_url, CHAT))
        async with node_factory("home", built_in=ALONE, config=config, clock=clock) as home:
            for _ in range(4):  # none of them fails, the first two neither
                assert (await side_call(home, EMBEDDINGS)).status == 200
            assert (len(one.asked), len(two.asked)) == (2, 4)
            assert (lacks(home, 0), lacks(home, 1)) == (["embeddings"], [])
            later[0] = REMEMBERED_FOR
            await side_call(home, EMBEDDINGS)
    assert len(one.asked) == 3


async def test_where_there_is_no_other_it_is_asked_all_the_same(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    refuses = [True, True, True]

    async def answer(asked: Asked) -> None:
        refused = refuses and refuses.pop()
        await asked.answer(json.dumps(VECTOR).encode(), status=404 if refused else 200)

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serving((up.base_url, CHAT))) as home,
    ):
        statuses = [(await side_call(home, EMBEDDINGS)).status for _ in range(3)]
        assert (statuses, lacks(home)) == ([404] * 3, ["embeddings"])
        assert (await side_call(home, EMBEDDINGS)).status == 200
        assert lacks(home) == []


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Unknown parameter: 'seed'.", "code": "unknown_parameter", "param": "seed"},
        {"message": "Unrecognized request argument supplied: seed"},
        {"message": "seed: Extra inputs are not permitted"},
    ],
)
async def test_a_setting_that_an_upstream_does_not_know_is_for_others(
    error: dict[str, Any], node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        refused = b'"seed"' in asked.body
        body = {"error": error} if refused else WHOLE[CHAT]
        await asked.answer(json.dumps(body).encode(), status=400 if refused else 200)

    async with upstreaming(answer) as one, upstreaming(embeds) as two:
        config = serving((one.base_url, CHAT), (two.base_url, CHAT))
        async with node_factory("home", built_in=ALONE, config=config) as home:
            for _ in range(4):
                asking = Client(home)
                await ask(asking, "chat", seed=1)
                assert asking.status == 200
            assert (len(one.asked), len(two.asked)) == (2, 4)
            assert described(home)["breaker"] == "closed"
            await ask(Client(home), "chat")
    assert len(one.asked) == 3


async def test_alone_it_ends_with_the_upstreams_own_error(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    body = b'{"error": {"message": "Unknown parameter: \'seed\'.", "param": "seed"}}'

    async def answer(asked: Asked) -> None:
        await asked.answer(body, status=400)

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serving((up.base_url, CHAT))) as home,
    ):
        asking = Client(home)
        await ask(asking, "chat", seed=1)
    assert (asking.status, asking.body) == (400, body)


async def test_the_asking_node_is_told_what_an_upstream_of_another_node_lacks(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(lacking(RESPONSES, 404)) as up:
        model = {"api": RESPONSES}
        served = {"office": up.base_url}
        async with network(node_factory, LINE, served, model=model) as nodes:
            for _ in range(3):
                assert (await side_call(nodes["home"], COUNT)).status == 200
            assert lacks(nodes["home"]) == ["responses/input_tokens"]
            assert lacks(nodes["office"]) == ["responses/input_tokens"]
            assert described(nodes["home"])["breaker"] == "closed"
