"""A client that leaves closes the upstream: at every endpoint, and whatever is under way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.model_proxy.asking.asking import LINE, Client, network
from tests.plugins.model_proxy.test_converted import BODIES, CHAT, MESSAGES, PATHS, RESPONSES, SAID

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

WHOLE = {
    "chat": BODIES["chat"],
    "responses": BODIES["responses"],
    "messages": BODIES["messages"],
    "count_tokens": BODIES["chat"],
    "embeddings": {"model": "m", "input": "words"},
}
ROUTES = {
    **PATHS,
    "count_tokens": "/v1/messages/count_tokens",
    "embeddings": "/v1/embeddings",
}
CASES = [
    # the endpoint, the upstream's API, whether a stream is wanted
    *((name, api, True) for name in PATHS for api in (CHAT, RESPONSES, MESSAGES)),
    *((name, api, False) for name in PATHS for api in (CHAT, RESPONSES, MESSAGES)),
    ("count_tokens", MESSAGES, False),
    ("count_tokens", CHAT, False),
    ("count_tokens", RESPONSES, False),
    ("embeddings", CHAT, False),
]


class Waiting:
    """An upstream that begins a stream, or says nothing, and waits until the other end is gone."""

    def __init__(self, said: list[bytes]) -> None:
        self.begun, self.gone = anyio.Event(), anyio.Event()
        self._said = said

    async def answer(self, asked: Asked) -> None:
        if self._said:
            await asked.begin_stream()
            await asked.chunk(b"".join(self._said))
        self.begun.set()
        await asked.wait_gone()
        self.gone.set()


async def leave(client: Client, name: str, body: dict[str, Any], waiting: Waiting) -> None:
    """Ask, leave once the upstream is at it, and wait until it is told."""
    async with anyio.create_task_group() as tasks:
        path, sent = ROUTES[name], json.dumps(body).encode()
        tasks.start_soon(client.call, path, path, sent)
        await waiting.begun.wait()
        client.leave.set()
        with anyio.fail_after(5):
            await waiting.gone.wait()


@pytest.mark.parametrize(("name", "api", "stream"), CASES)
async def test_at_every_endpoint_over_two_hops(
    name: str, api: str, stream: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    waiting = Waiting(SAID[api] if stream else [])
    served = {"api": api}
    async with (
        upstreaming(waiting.answer) as up,
        network(node_factory, LINE, {"office": up.base_url}, model=served) as nodes,
    ):
        client = Client(nodes["home"])
        await leave(client, name, {**WHOLE[name], "stream": stream}, waiting)
    assert not client.whole
    assert len(up.asked) == 1


async def test_while_the_answer_is_held_back(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    waiting = Waiting(SAID[CHAT])
    async with (
        upstreaming(waiting.answer) as up,
        network(node_factory, LINE, {"office": up.base_url}, hold="whole") as nodes,
    ):
        client = Client(nodes["home"])
        await leave(client, "chat", {**WHOLE["chat"], "stream": True}, waiting)
    assert client.messages == []


async def test_in_the_pause_before_another_try_there_is_no_other_try(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def busy(asked: Asked) -> None:
        body = b'{"error": {"message": "busy"}}'
        await asked.answer(body, status=429, retry_after="600")

    async with (
        upstreaming(busy) as up,
        network(node_factory, LINE, {"office": up.base_url}, total_timeout="1000s") as nodes,
    ):
        home = nodes["home"]
        client = Client(home)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.ask, {**WHOLE["chat"]})
            await wait_until(lambda: up.asked)
            await wait_until(lambda: not [*home.exchanges.live])
            client.leave.set()
        assert len(up.asked) == 1
    assert client.messages == []


async def test_while_it_waits_for_a_busy_upstreams_first_token_nobody_else_is_asked(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    waiting = Waiting([])
    async with (
        upstreaming(waiting.answer) as up,
        network(node_factory, LINE, {"office": up.base_url}, first_token_timeout="5s") as nodes,
    ):
        client = Client(nodes["home"])
        await leave(client, "responses", {**WHOLE["responses"], "stream": True}, waiting)
    assert len(up.asked) == 1
