"""Programs in the node's own process ask for models, without HTTP between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.api import ModelError, ask_model, stream_model
from tests.plugins.model_proxy.asking.asking import (
    ALONE,
    DONE,
    EVENT,
    LINE,
    NOWHERE,
    STAR,
    TOGETHER,
    Client,
    network,
    offers,
    serves,
)

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

ASKED: dict[str, Any] = {"messages": []}
PAIR = {"home": [], "office": ["home"]}
PIECE = json.loads(EVENT.removeprefix(b"data: "))
MESSAGES: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"content": [], "usage": {}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "message_stop"},
]


def refuses(status: int, **error: str) -> Any:
    """Return what answers with an error."""

    async def answer(asked: Asked) -> None:
        await asked.answer(json.dumps({"error": error}).encode(), status=status)

    return answer


def streams(*pieces: bytes, cut: bool = False) -> Any:
    """Return what answers with a stream of these pieces."""

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for piece in pieces:
            await asked.chunk(piece)
        if cut:
            await asked.stream.aclose()
        else:
            await asked.end_stream()

    return answer


async def whole(asked: Asked) -> None:
    await asked.answer(b'{"id": "c1", "choices": []}')


async def taken(node: Node, model: str = "m", **more: Any) -> tuple[list[Any], ModelError | None]:
    """Return the events of a stream, and the error that it ended with."""
    events: list[Any] = []
    try:
        async with stream_model(node, model, ASKED, **more) as answer:
            async for event in answer:
                events.append(event)  # noqa: PERF401 - the events before an error count
    except ModelError as error:
        return events, error
    return events, None


# --- whole answers


async def test_an_answer_of_another_node_comes_as_json(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(whole) as up,
        network(node_factory, LINE, {"office": up.base_url}) as nodes,
    ):
        asked = {"messages": [{"role": "user", "content": "hi"}], "stream": True, "model": "x"}
        answer = await ask_model(nodes["home"], "office/m", asked)
    assert answer == {"id": "c1", "choices": []}
    assert json.loads(up.asked[0].body) == {"messages": asked["messages"], "model": "m"}


async def test_headers_of_the_api_travel_with_the_request(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    served = {"api": "anthropic-messages"}
    async with (
        upstreaming(whole) as up,
        network(node_factory, PAIR, {"office": up.base_url}, model=served) as nodes,
    ):
        headers = {"Anthropic-Beta": "new-things", "cookie": "no"}
        await ask_model(nodes["home"], "m", ASKED, api="messages", headers=headers)
    head = up.asked[0].head.lower()
    assert b"anthropic-beta: new-things" in head
    assert b"cookie" not in head


async def test_an_error_of_the_upstream_has_its_status_code_and_words(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    error = {"message": "no such tool", "code": "bad_tool"}
    async with (
        upstreaming(refuses(400, **error)) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
    ):
        with pytest.raises(ModelError) as raised:
            await ask_model(nodes["home"], "m", ASKED)
    told = raised.value
    assert (told.status, told.code, told.message) == (400, "bad_tool", "no such tool")
    assert len(up.asked) == 1


async def test_the_next_node_answers_where_the_first_fails(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(refuses(401)) as first,
        upstreaming(whole) as second,
        network(node_factory, STAR, {"a": first.base_url, "b": second.base_url}) as nodes,
    ):
        assert (await ask_model(nodes["home"], "m", ASKED))["id"] == "c1"
    assert (len(first.asked), len(second.asked)) == (1, 1)


async def test_what_is_wrong_with_a_request_is_told_without_asking_anybody(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("home", built_in=ALONE, config=serves(NOWHERE)) as node:
        wrong: list[tuple[str, dict[str, Any], int, str | None]] = [
            ("nobody", {}, 404, "model_not_found"),
            ("m", {"hold": "long"}, 400, None),
        ]
        for model, more, status, code in wrong:
            with pytest.raises(ModelError) as raised:
                await ask_model(node, model, ASKED, **more)
            assert (raised.value.status, raised.value.code) == (status, code)
            with pytest.raises(ModelError):
                await stream_model(node, model, ASKED, **more).__aenter__()
        with pytest.raises(LocalProtocolError, match="'pigeon' is not one of the APIs chat, "):
            await ask_model(node, "m", ASKED, api="pigeon")
        with pytest.raises(LocalProtocolError, match="'embeddings' are no streams"):
            await stream_model(node, "m", ASKED, api="embeddings").__aenter__()
        with pytest.raises(TypeError):
            await ask_model(node, "m", {"messages": object()})
        with pytest.raises(TypeError, match="is not UTF-8"):
            await ask_model(node, "m", {"messages": ["a\udcff"]})


async def test_an_upstream_out_of_reach_is_an_error_with_a_code(node_factory: NodeFactory) -> None:
    async with network(node_factory, PAIR, {"office": NOWHERE}) as nodes:
        with pytest.raises(ModelError, match="office: ") as raised:
            await ask_model(nodes["home"], "m", ASKED)
    assert (raised.value.status, raised.value.code) == (502, "upstream_unreachable")


async def test_a_node_without_the_plugin_says_so(node_factory: NodeFactory) -> None:
    async with node_factory("home", built_in=()) as node:
        with pytest.raises(LocalProtocolError, match="home runs no model-proxy plugin"):
            await ask_model(node, "m", ASKED)


async def test_a_node_that_has_stopped_raises_and_does_not_hang(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(whole) as up:
        async with network(node_factory, PAIR, {"office": up.base_url}) as nodes:
            pass
        with anyio.fail_after(5), pytest.raises((ModelError, LocalProtocolError)):
            await ask_model(nodes["home"], "m", ASKED)
    assert up.asked == []


async def test_a_call_that_is_cancelled_ends_the_work_at_the_upstream(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    gone = anyio.Event()

    async def wait(asked: Asked) -> None:
        await asked.wait_gone()
        gone.set()

    async with (
        upstreaming(wait) as up,
        network(node_factory, LINE, {"office": up.base_url}) as nodes,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(ask_model, nodes["home"], "m", ASKED)
        await wait_until(lambda: up.asked)
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True), anyio.fail_after(5):
            await gone.wait()
    assert len(up.asked) == 1


async def test_the_time_for_the_whole_answer_is_that_of_the_configuration(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def silent(asked: Asked) -> None:
        await asked.wait_gone()

    async with (
        upstreaming(silent) as up,
        network(node_factory, PAIR, {"office": up.base_url}, total_timeout="100ms") as nodes,
    ):
        with pytest.raises(ModelError) as raised:
            await ask_model(nodes["home"], "m", ASKED)
    assert (raised.value.status, raised.value.code) == (504, "deadline_exceeded")


# --- streams


async def test_a_stream_of_another_node_comes_as_events(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    pieces = (b": hello\n\n", EVENT[:20], EVENT[20:] + EVENT, b"data: 5\n\n", DONE)
    async with (
        upstreaming(streams(*pieces)) as up,
        network(node_factory, LINE, {"office": up.base_url}) as nodes,
    ):
        assert await taken(nodes["home"]) == ([PIECE, PIECE], None)
    assert json.loads(up.asked[0].body) == {"messages": [], "model": "m", "stream": True}


async def test_events_of_another_api_are_those_of_that_api(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    events = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in MESSAGES]
    served = {"api": "anthropic-messages"}
    async with (
        upstreaming(streams(*events)) as up,
        network(node_factory, PAIR, {"office": up.base_url}, model=served) as nodes,
    ):
        assert await taken(nodes["home"], api="messages") == (MESSAGES, None)


async def test_events_come_while_the_upstream_is_still_at_it(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    go_on = anyio.Event()

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await go_on.wait()
        await asked.chunk(EVENT + DONE)
        await asked.end_stream()

    async with (
        upstreaming(answer) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
        stream_model(nodes["home"], "m", ASKED) as events,
    ):
        assert await anext(events) == PIECE
        go_on.set()
        assert [event async for event in events] == [PIECE]
        with pytest.raises(StopAsyncIteration):
            await anext(events)


@pytest.mark.parametrize("rest", [b"", EVENT[:40]])
async def test_a_stream_that_is_cut_raises_after_the_events_before(
    rest: bytes, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    pieces = (EVENT, rest) if rest else (EVENT,)
    async with (
        upstreaming(streams(*pieces, cut=True)) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
        stream_model(nodes["home"], "m", ASKED) as events,
    ):
        assert await anext(events) == PIECE
        for _ in range(2):  # it never looks whole, however often one asks
            with pytest.raises(ModelError) as raised:
                await anext(events)
            assert (raised.value.status, raised.value.code) == (502, "upstream_broke")


async def test_an_error_event_of_the_upstream_is_raised_with_its_words(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    error = b'data: {"error": {"message": "too many", "type": "rate_limit_error"}}\n\n'
    async with (
        upstreaming(streams(EVENT, error)) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
    ):
        events, raised = await taken(nodes["home"])
    assert events == [PIECE]
    assert raised is not None
    told = (raised.status, raised.code, raised.message)
    assert told == (429, "rate_limit_error", "too many")


async def test_the_next_node_streams_where_the_first_fails_before_its_first_token(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(streams(cut=True)) as first,
        upstreaming(streams(EVENT, DONE)) as second,
        network(node_factory, STAR, {"a": first.base_url, "b": second.base_url}) as nodes,
    ):
        assert await taken(nodes["home"]) == ([PIECE], None)
    assert len(second.asked) == 1


async def test_what_is_held_back_is_replaced_by_the_next_node(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(streams(EVENT, EVENT, cut=True)) as first,
        upstreaming(streams(EVENT, DONE)) as second,
        network(node_factory, STAR, {"a": first.base_url, "b": second.base_url}) as nodes,
    ):
        assert await taken(nodes["home"], hold="whole") == ([PIECE], None)
    assert (len(first.asked), len(second.asked)) == (1, 1)


async def test_silence_before_the_first_token_keeps_the_status_of_the_error(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    go_on = anyio.Event()
    ended: list[Any] = []

    async def answer(asked: Asked) -> None:
        await go_on.wait()
        await asked.answer(b'{"error": {"message": "not you"}}', status=403)

    async def take(node: Node) -> None:
        ended.append(await taken(node))

    async with (
        upstreaming(answer) as up,
        network(node_factory, PAIR, {"office": up.base_url}, keep_alive="10ms") as nodes,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(take, nodes["home"])
        await wait_until(lambda: up.asked)
        client = Client(nodes["home"])  # one over HTTP is kept alive, so that its status is gone
        tasks.start_soon(client.ask, {**ASKED, "model": "m", "stream": True})
        await wait_until(lambda: client.messages)
        go_on.set()
    [(events, raised)] = ended
    assert (events, raised.status, raised.message) == ([], 403, "not you")
    assert client.status == 200


async def test_json_in_place_of_a_stream_that_is_no_answer_is_an_error(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"id": "c1", "choices": 5}')

    async with (
        upstreaming(answer) as up,
        network(node_factory, PAIR, {"office": up.base_url}) as nodes,
    ):
        events, raised = await taken(nodes["home"])
    assert events == []
    assert raised is not None
    assert raised.status == 502


async def test_a_node_that_is_lost_in_the_middle_raises(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await asked.wait_gone()

    leave = anyio.Event()

    async def run(node: Node) -> None:
        async with node:
            await leave.wait()

    async with upstreaming(answer) as up, anyio.create_task_group() as tasks:
        config = serves(up.base_url)
        office = node_factory("office", built_in=TOGETHER, config=config)
        home = node_factory("home", dials=["office"], built_in=TOGETHER)
        tasks.start_soon(run, office)
        async with home:
            await wait_until(lambda: office.id in home.links and offers(home, "office"))
            async with stream_model(home, "office/m", ASKED) as events:
                assert await anext(events) == PIECE
                leave.set()
                with anyio.fail_after(10), pytest.raises(ModelError) as raised:
                    await anext(events)
    assert raised.value.status in (502, 503)


@pytest.mark.parametrize("how", ["break", "raise"])
async def test_leaving_the_block_ends_the_work_at_the_upstream(
    how: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    gone = anyio.Event()

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await asked.wait_gone()
        gone.set()

    async def look(node: Node) -> None:
        async with stream_model(node, "m", ASKED) as events:
            async for _ in events:
                if how == "raise":
                    raise LookupError("the program's own")
                break

    async with (
        upstreaming(answer) as up,
        network(node_factory, LINE, {"office": up.base_url}) as nodes,
    ):
        if how == "raise":
            with pytest.raises(LookupError, match="the program's own"):
                await look(nodes["home"])
        else:
            await look(nodes["home"])
        with anyio.fail_after(5):
            await gone.wait()
