"""Responses that an upstream keeps: fetched, cancelled and deleted, and by nobody else."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import reload
from clawmatrix_model_proxy.kept_responses import RESPONSES
from clawmatrix_model_proxy.wire import StoredAction
from tests.plugins.model_proxy.asking.asking import ALONE, TOGETHER, network, serves
from tests.plugins.model_proxy.keeping import (
    KeepingUpstream,
    ask_office,
    create,
    handle,
    responses_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Upstreaming

pytestmark = pytest.mark.anyio

API = {"api": "openai-responses"}
DIALS: dict[str, list[str]] = {"relay": [], "home": ["relay"], "mallory": ["relay"]}
DIALS["office"] = ["relay"]


@attrs.define
class Scene:
    """Home and mallory, members who ask office over a relay; office has an upstream that keeps."""

    home: Node
    mallory: Node
    office: Node
    upstream: KeepingUpstream


@asynccontextmanager
async def scene(
    node_factory: NodeFactory, upstreaming: Upstreaming, upstream: KeepingUpstream | None = None
) -> AsyncIterator[Scene]:
    keeping = upstream or KeepingUpstream()
    async with (
        upstreaming(keeping.answer) as running,
        network(node_factory, DIALS, {"office": running.base_url}, model=API) as nodes,
    ):
        yield Scene(nodes["home"], nodes["mallory"], nodes["office"], keeping)


async def given(scene: Scene, **body: Any) -> str:
    """Have home be given a response; return its id."""
    made = responses_of(await create(scene.home, **body))
    return str(made["id"])


async def test_a_response_in_the_background_is_fetched_where_it_was_made(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        made = await create(found.home, background=True)
        assert responses_of(made)["status"] == "queued"
        id_ = responses_of(made)["id"]
        got = await handle(found.home, id_)
        assert (got.status, responses_of(got)["status"]) == (200, "completed")
        assert got.headers["x-clawmatrix-node"] == "office"
        items = await handle(found.home, id_, "/input_items", query=b"limit=5&order=asc")
        assert responses_of(items)["object"] == "list"
        assert found.upstream.asked[-1] == (
            "GET",
            f"/v1/responses/{id_}/input_items?limit=5&order=asc",
        )
        cancelled = await handle(found.home, id_, "/cancel", method="POST")
        assert responses_of(cancelled)["status"] == "cancelled"
        deleted = await handle(found.home, id_, method="DELETE")
        assert responses_of(deleted) == {"id": id_, "object": "response", "deleted": True}
        assert (await handle(found.home, id_)).status == 404
        assert [method for method, _ in found.upstream.asked[-2:]] == ["POST", "DELETE"]


async def test_a_response_that_failed_is_no_error_of_the_question(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        id_ = await given(found, background=True)
        error = {"code": "server_error", "message": "the model fell over"}
        found.upstream.kept[id_] |= {"status": "failed", "error": error}
        got = await handle(found.home, id_)
        assert (got.status, responses_of(got)["error"]) == (200, error)


async def test_in_the_background_is_refused_at_once_where_nothing_can_be_fetched(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    upstream = KeepingUpstream(lacks=True)
    async with scene(node_factory, upstreaming, upstream) as found:
        for _ in range(2):
            client = await create(found.home, background=True)
            assert client.status == 400
            assert client.error["param"] == "background"
            assert "does not let an answer be fetched later" in client.error["message"]
        assert [method for method, _ in upstream.asked] == ["GET"]  # asked once, and remembered
        assert upstream.bodies == []
        assert (await create(found.home)).status == 200


async def test_in_the_background_is_refused_before_an_upstream_of_another_api(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    upstream = KeepingUpstream()
    async with upstreaming(upstream.answer) as running:
        config = serves(running.base_url, model={"api": "openai-completions"})
        async with node_factory("here", built_in=ALONE, config=config) as node:
            client = await create(node, background=True)
    assert (client.status, client.error["param"]) == (400, "background")
    assert upstream.asked == []


async def test_a_path_that_repeats_the_id_is_not_taken_for_a_response_that_is_not_found(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    class Express(KeepingUpstream):
        async def _send(self, asked: Any, body: dict[str, Any], status: int = 200) -> None:
            path = asked.head.split()[1].decode()
            words = {"error": f"Cannot GET {path}"} if status == 404 else body
            await super()._send(asked, words, status)

    async with scene(node_factory, upstreaming, Express()) as found:
        assert (await create(found.home, background=True)).status == 400


@pytest.mark.parametrize("action", ["get", "input_items", "cancel", "delete"])
async def test_another_members_response_is_not_found(
    node_factory: NodeFactory, upstreaming: Upstreaming, action: Any
) -> None:
    async with scene(node_factory, upstreaming) as found:
        id_ = await given(found)
        before = len(found.upstream.asked)
        with pytest.raises(ExchangeFailure, match="not found") as caught:
            await ask_office(found.mallory, stored=StoredAction(id_, action))
        assert (caught.value.code, caught.value.may_have_begun) == ("response_not_found", False)
        assert (await handle(found.mallory, id_)).status == 404
        assert len(found.upstream.asked) == before
        assert (await handle(found.home, id_)).status == 200


async def test_who_takes_the_name_of_a_member_does_not_get_its_responses(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    upstream = KeepingUpstream()
    async with upstreaming(upstream.answer) as running:
        config = serves(running.base_url, model=API)
        async with node_factory("office", built_in=TOGETHER, config=config) as office:
            async with node_factory("home", dials=["office"], built_in=TOGETHER) as home:
                await wait_until(lambda: offers_models(home))
                assert (await create(home)).status == 200
                assert (await handle(home, "resp_1")).status == 200
            name = home.id
            office.trust.forget(name)
            office.directory.forget(name)
            async with node_factory("home", dials=["office"], built_in=TOGETHER) as squatter:
                await wait_until(lambda: squatter.reachable("office"))
                assert squatter.identity.sign_public != home.identity.sign_public
                with pytest.raises(ExchangeFailure) as caught:
                    await ask_office(squatter, stored=StoredAction("resp_1"))
                assert caught.value.code == "response_not_found"


async def test_a_response_of_an_upstream_that_is_no_longer_served_is_not_found(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    upstream = KeepingUpstream()
    async with upstreaming(upstream.answer) as running:
        config = serves(running.base_url, model=API)
        async with node_factory("here", built_in=ALONE, config=config) as node:
            assert (await create(node)).status == 200
            moved = {"id": "m", "base_url": running.base_url.replace("127.0.0.1", "localhost")}
            await reload(node, {"model-proxy": {"models": [{**moved, **API}]}})
            assert (await handle(node, "resp_1")).status == 404
            assert (await create(node, previous_response_id="resp_1")).status == 404


async def test_items_are_named_to_another_model_of_their_upstream_and_to_no_other_upstream(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    first, second = KeepingUpstream(), KeepingUpstream()
    async with upstreaming(first.answer) as one, upstreaming(second.answer) as two:
        served = [
            {"id": "m", "base_url": one.base_url, **API},
            {"id": "small", "base_url": one.base_url, **API},
            {"id": "elsewhere", "base_url": two.base_url, **API},
        ]
        config = {"model-proxy": {"models": served}}
        async with node_factory("here", built_in=ALONE, config=config) as node:
            assert (await create(node)).status == 200
            reference = [{"type": "item_reference", "id": "msg_1"}]
            assert (await create(node, model="small", input=reference)).status == 200
            assert (await create(node, model="elsewhere", input=reference)).status == 404
        assert second.bodies == []


async def test_a_conversation_is_for_the_serving_nodes_own_clients(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        assert (await create(found.office, conversation="conv_1")).status == 200
        assert (await create(found.home, conversation=None)).status == 200


NAMING: dict[str, Any] = {
    "a previous response": {"input": "and?", "previous_response_id": "resp_1"},
    "an item": {"input": [{"type": "item_reference", "id": "msg_1"}]},
    "an item without the word for it": {"input": [{"id": "msg_1"}]},
    "an item of no type": {"input": [{"type": None, "id": "msg_1"}]},
    "an item behind others": {
        "input": [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "msg_1"}]
    },
    "a conversation": {"input": "and?", "conversation": "conv_1"},
    "a conversation as an object": {"input": "and?", "conversation": {"id": "conv_1"}},
}
TWICE: dict[str, bytes] = {
    "another one last": b'{"model":"m","input":"x","previous_response_id":null,'
    b'"previous_response_id":"resp_1"}',
    "in other letters": b'{"model":"m","input":"x","previous_respons\\u0065_id":"resp_1"}',
    "an item in other letters": b'{"model":"m","input":[{"type":"item\\u005freference",'
    b'"id":"msg_1"}]}',
}


@pytest.mark.parametrize("name", NAMING)
async def test_another_members_conversation_is_not_gone_on_with(
    node_factory: NodeFactory, upstreaming: Upstreaming, name: str
) -> None:
    async with scene(node_factory, upstreaming) as found:
        assert await given(found) == "resp_1"
        with pytest.raises(ExchangeFailure) as caught:
            await ask_office(found.mallory, {"model": "m", **NAMING[name]})
        assert caught.value.code == "response_not_found"
        assert len(found.upstream.bodies) == 1


@pytest.mark.parametrize("name", TWICE)
async def test_no_spelling_of_a_request_hides_whose_conversation_it_names(
    node_factory: NodeFactory, upstreaming: Upstreaming, name: str
) -> None:
    async with scene(node_factory, upstreaming) as found:
        await given(found)
        with pytest.raises(ExchangeFailure) as caught:
            await ask_office(found.mallory, TWICE[name])
        assert caught.value.code == "response_not_found"


async def test_of_two_members_with_one_name_the_upstream_gets_the_one_that_was_looked_at(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        await given(found)
        _, own = await ask_office(found.mallory, {"model": "m", "input": "x"})
        twice = (
            b'{"model":"m","previous_response_id":"resp_1","input":'
            b'[{"type":"item_reference","type":"message","role":"user","content":"x",'
            b'"id":"msg_1","id":"msg_9"}],"previous_response_id":"%s"}' % own["id"].encode()
        )
        await ask_office(found.mallory, twice)
        sent = found.upstream.sent[-1]
        assert sent.count(b"previous_response_id") == 1
        assert b"resp_1" not in sent
        assert b"item_reference" not in sent
        assert b"msg_1" not in sent


async def test_who_was_given_a_response_goes_on_with_it(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        id_ = await given(found)
        again = await create(found.home, previous_response_id=id_)
        assert again.status == 200
        reference = [{"type": "item_reference", "id": "msg_1"}]
        assert (await create(found.home, input=reference)).status == 200
        assert [body.get("previous_response_id") for body in found.upstream.bodies] == [
            None,
            id_,
            None,
        ]


async def test_what_came_as_a_stream_is_gone_on_with_too(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        assert (await create(found.home, stream=True)).status == 200
        assert (await handle(found.home, "resp_1")).status == 200
        reference = [{"type": "item_reference", "id": "msg_1"}]
        assert (await create(found.home, input=reference)).status == 200
        with pytest.raises(ExchangeFailure):
            await ask_office(found.mallory, {"model": "m", "input": reference})


async def test_what_was_not_to_be_kept_is_known_to_nobody(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        id_ = await given(found, store=False)
        got = await handle(found.home, id_)
        assert (got.status, got.error["param"]) == (404, "response_id")


async def test_the_items_of_what_was_fetched_are_the_askers_as_well(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with scene(node_factory, upstreaming) as found:
        id_ = await given(found, background=True)
        reference = [{"type": "item_reference", "id": "msg_1"}]
        assert (await create(found.home, input=reference)).status == 404
        assert (await handle(found.home, id_)).status == 200
        assert (await create(found.home, input=reference)).status == 200


@pytest.mark.parametrize("query", [b"a=b c", b"a=\r\nx: y", b"a=\xc3\xa9", b"a" * 3000])
async def test_a_query_that_is_none_is_refused(
    node_factory: NodeFactory, upstreaming: Upstreaming, query: bytes
) -> None:
    async with scene(node_factory, upstreaming) as found:
        id_ = await given(found)
        before = len(found.upstream.asked)
        assert (await handle(found.home, id_, query=query)).status == 400
        assert len(found.upstream.asked) == before


async def test_a_response_is_fetched_as_a_stream(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    event = {"type": "response.completed", "response": {"id": "resp_1", "output": []}}

    class Streams(KeepingUpstream):
        async def answer(self, asked: Any) -> None:
            if b"stream=true" not in asked.head:
                await super().answer(asked)
                return
            await asked.begin_stream()
            await asked.chunk(f"data: {json.dumps(event)}\n\n".encode())
            await asked.end_stream()

    async with scene(node_factory, upstreaming, Streams()) as found:
        id_ = await given(found, background=True)
        got = await handle(found.home, id_, query=b"stream=true&starting_after=0")
        assert got.headers["content-type"].startswith("text/event-stream")
        assert json.loads(got.body.decode().removeprefix("data: ")) == event


async def test_both_nodes_know_a_response_after_a_restart(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    upstream = KeepingUpstream()
    states = {"home": MemoryState(), "office": MemoryState()}
    async with upstreaming(upstream.answer) as running:
        table = serves(running.base_url, model=API)
        for at in (1, 2):
            async with (
                node_factory(
                    "office", built_in=TOGETHER, config=table, state=states["office"]
                ) as office,
                node_factory(
                    "home", dials=["office"], built_in=TOGETHER, state=states["home"]
                ) as home,
            ):
                await wait_until(lambda: home.reachable("office"))
                await wait_until(lambda: home.directory.get("office") is not None)
                if at == 1:
                    await wait_until(lambda: offers_models(home))
                    assert (await create(home)).status == 200
                else:
                    got = await handle(home, "resp_1")
                    assert (got.status, responses_of(got)["id"]) == (200, "resp_1")
                assert office.epoch == at
        for state in states.values():
            assert b"hello" not in json.dumps(state.read(RESPONSES)).encode()


def offers_models(node: Node) -> bool:
    """Say whether a node knows what office offers."""
    peer = node.directory.get("office")
    return peer is not None and bool(peer.record.offers.get("models"))


async def test_a_question_about_a_response_that_fails_stops_no_answers(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    class Fails(KeepingUpstream):
        def _about(self, method: str, id_: str, *behind: str) -> dict[str, Any]:
            return {"no": "response"} if method == "DELETE" else super()._about(method, id_)

        async def answer(self, asked: Any) -> None:
            if asked.head.startswith(b"GET"):
                await self._send(asked, {"error": {"message": "down"}}, 500)
            else:
                await super().answer(asked)

    async with scene(node_factory, upstreaming, Fails()) as found:
        id_ = await given(found)
        for _ in range(4):
            assert (await handle(found.home, id_)).status == 500
        assert (await create(found.home)).status == 200
