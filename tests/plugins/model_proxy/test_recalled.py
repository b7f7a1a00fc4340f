"""A second turn of clients of Responses that store by default, before upstreams of other APIs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.testing.reaching import reload
from tests.plugins.model_proxy.asking.asking import ALONE, LINE, Client, network, serves
from tests.plugins.model_proxy.keeping import create, handle, responses_of
from tests.plugins.model_proxy.test_converted import CHAT, END, MESSAGES, SAID, WHOLE

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

every_api = pytest.mark.parametrize("api", [CHAT, MESSAGES])
HELLO = {"role": "user", "content": "hello"}


class Converted:
    """An upstream of another API, and the requests that came to it."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.bodies: list[dict[str, Any]] = []

    async def answer(self, asked: Asked) -> None:
        """Say a good day, as a stream or in one piece."""
        body = json.loads(asked.body)
        self.bodies.append(body)
        if not body.get("stream"):
            await asked.answer(json.dumps(WHOLE[self.api]).encode())
            return
        await asked.begin_stream()
        for piece in (*SAID[self.api], *END[self.api]):
            await asked.chunk(piece)
        await asked.end_stream()

    def words(self) -> list[tuple[str, Any]]:
        """Return who said what in the last request."""
        messages = self.bodies[-1]["messages"]
        return [(one["role"], _plain(one["content"])) for one in messages]


def _plain(content: Any) -> Any:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def made(client: Client) -> dict[str, Any]:
    """Return the response that a client got, in one piece or as a stream."""
    if client.body.startswith(b"{"):
        whole: dict[str, Any] = responses_of(client)
        return whole
    last = [line for line in client.body.decode().splitlines() if line.startswith("data: ")][-1]
    whole = json.loads(last[6:])["response"]
    return whole


async def first(node: Node, *, stream: bool = False, **more: Any) -> dict[str, Any]:
    """Return the answer to a first turn."""
    client = await create(node, input=[HELLO], stream=stream, **more)
    assert client.status == 200
    return made(client)


def references(answer: dict[str, Any]) -> list[dict[str, str]]:
    """Return what names the items of an answer, as the AI SDK does."""
    return [{"type": "item_reference", "id": item["id"]} for item in answer["output"]]


TOLD = [("user", "hello"), ("assistant", "Good day."), ("user", "hello")]


@every_api
@pytest.mark.parametrize("stream", [False, True])
async def test_items_that_a_client_names_are_told_again(
    node_factory: NodeFactory, upstreaming: Upstreaming, api: str, stream: bool
) -> None:
    upstream = Converted(api)
    async with (
        upstreaming(upstream.answer) as running,
        network(node_factory, LINE, {"office": running.base_url}, model={"api": api}) as nodes,
    ):
        answer = await first(nodes["home"], stream=stream)
        again = [HELLO, *references(answer), HELLO]
        client = await create(nodes["home"], input=again, stream=stream)
        assert client.status == 200
        assert upstream.words() == TOLD


@every_api
async def test_a_previous_response_is_told_again(
    node_factory: NodeFactory, upstreaming: Upstreaming, api: str
) -> None:
    upstream = Converted(api)
    async with upstreaming(upstream.answer) as running:
        config = serves(running.base_url, model={"api": api})
        async with node_factory("here", built_in=ALONE, config=config) as node:
            answer = await first(node)
            client = await create(node, input="hello", previous_response_id=answer["id"])
            assert client.status == 200
            assert upstream.words() == TOLD
            third = await create(node, input="bye", previous_response_id=made(client)["id"])
            assert third.status == 200
            assert upstream.words() == [*TOLD, ("assistant", "Good day."), ("user", "bye")]


async def test_it_goes_on_before_an_upstream_of_another_api_than_the_first(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    chat, messages = Converted(CHAT), Converted(MESSAGES)
    async with upstreaming(chat.answer) as one, upstreaming(messages.answer) as two:
        served = [
            {"id": "m", "base_url": one.base_url, "api": CHAT},
            {"id": "n", "base_url": two.base_url, "api": MESSAGES},
        ]
        config = {"model-proxy": {"models": served}}
        async with node_factory("here", built_in=ALONE, config=config) as node:
            answer = await first(node)
            client = await create(node, model="n", input="hello", previous_response_id=answer["id"])
            assert client.status == 200
            assert messages.words() == TOLD


@pytest.mark.parametrize("why", ["store", "remember", "deleted", "restart"])
async def test_what_is_gone_is_refused_with_what_to_do(
    node_factory: NodeFactory, upstreaming: Upstreaming, why: str
) -> None:
    upstream = Converted(CHAT)
    table: dict[str, Any] = {"remember": 0} if why == "remember" else {}
    async with upstreaming(upstream.answer) as running:
        config = serves(running.base_url, **table)
        async with node_factory("here", built_in=ALONE, config=config) as node:
            answer = await first(node, **({"store": False} if why == "store" else {}))
            if why == "deleted":
                deleted = await handle(node, answer["id"], method="DELETE")
                assert responses_of(deleted)["deleted"] is True
            if why != "restart":
                await is_gone(node, answer)
        if why == "restart":
            async with node_factory("anew", built_in=ALONE, config=config) as node:
                await is_gone(node, answer)
        assert len(upstream.bodies) == 1


async def is_gone(node: Node, answer: dict[str, Any]) -> None:
    """Fail unless a node knows neither an answer nor its items any more, and says what to do."""
    by_item = await create(node, input=[HELLO, *references(answer)])
    by_id = await create(node, input="and?", previous_response_id=answer["id"])
    for client in (by_item, by_id):
        assert client.status == 400
        assert "send the whole conversation instead" in client.error["message"]


async def test_how_much_is_remembered_is_changed_by_a_reload(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    upstream = Converted(CHAT)
    async with upstreaming(upstream.answer) as running:
        config = serves(running.base_url)
        async with node_factory("here", built_in=ALONE, config=config) as node:
            answer = await first(node)
            await reload(node, {"model-proxy": {"remember": 0}})
            await is_gone(node, answer)
