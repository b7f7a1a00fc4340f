"""Several keys of one Gemini upstream: which of them is asked next."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_gemini.plugin import GeminiPlugin
from tests.plugins.model_proxy.asking.asking import ALONE, Client

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

BAD, SPENT, GOOD = "bad-key-0123456789", "spent-key-0123456789", "good-key-0123456789"
ANSWER = {"candidates": [{"content": {"parts": [{"text": "Hello."}]}, "finishReason": "STOP"}]}
REFUSED = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}
USED_UP = {"code": 429, "message": "Quota exceeded.", "status": "RESOURCE_EXHAUSTED"}


def error(fields: dict[str, Any], **detail: str) -> bytes:
    return json.dumps({"error": {**fields, "details": [detail]}}).encode()


def key_of(asked: Asked) -> str:
    [found] = [
        line.partition(": ")[2]
        for line in asked.head.decode().split("\r\n")
        if line.startswith("x-goog-api-key: ")
    ]
    return found


async def google(asked: Asked) -> None:
    key = key_of(asked)
    if key == BAD:
        await asked.answer(error(REFUSED, reason="API_KEY_INVALID"), status=400)
    elif key == SPENT:
        await asked.answer(error(USED_UP, retryDelay="0s"), status=429)
    else:
        await asked.answer(json.dumps(ANSWER).encode())


async def ask(node_factory: NodeFactory, base_url: str, *keys: str, times: int = 1) -> list[Client]:
    """Ask an upstream that takes these keys, one time after the other; return who asked."""
    api = {"base_url": base_url, "api": "google-generative-ai"}
    model = {"id": "g", **api, "api_key": keys[0], "api_keys": list(keys[1:])}
    config: dict[str, Any] = {"model-proxy": {"models": [model]}}
    hello = {"model": "g", "messages": [{"role": "user", "content": "Hello."}]}
    node = node_factory("home", built_in=ALONE, plugins=[GeminiPlugin()], config=config)
    async with node as home:
        clients = [Client(home) for _ in range(times)]
        for client in clients:
            await client.ask(hello)
    return clients


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        # The bad key is left out the second time; the other's time to wait is over at once.
        ((BAD, GOOD), [BAD, GOOD, GOOD]),
        ((SPENT, GOOD), [SPENT, GOOD, SPENT, GOOD]),
    ],
)
async def test_the_next_key_is_taken_by_what_the_body_of_an_error_says(
    keys: tuple[str, str], asked: list[str], node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(google) as up:
        clients = await ask(node_factory, up.base_url, *keys, times=2)
    assert [client.status for client in clients] == [200, 200]
    assert [key_of(one) for one in up.asked] == asked


async def test_the_last_error_still_reaches_the_client(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(google) as up:
        [client] = await ask(node_factory, up.base_url, BAD)
    assert (client.status, client.error["message"]) == (401, "API key not valid.")


async def test_a_compressed_error_is_read_for_the_keys_and_for_the_client(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def compresses(asked: Asked) -> None:
        body = gzip.compress(error(REFUSED, reason="API_KEY_INVALID"))
        await asked.answer(body, status=400, content_encoding="gzip")

    async with upstreaming(compresses) as up:
        [client] = await ask(node_factory, up.base_url, BAD, GOOD)
    assert (client.status, client.error["message"]) == (401, "API key not valid.")
    assert [key_of(one) for one in up.asked] == [BAD, GOOD]


async def test_an_error_too_long_to_read_is_judged_by_its_status(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def floods(asked: Asked) -> None:
        if key_of(asked) == BAD:
            long = {**USED_UP, "message": "x" * 1_100_000}
            await asked.answer(error(long), status=429)
        else:
            await google(asked)

    async with upstreaming(floods) as up:
        [client] = await ask(node_factory, up.base_url, BAD, GOOD)
    assert client.status == 200
