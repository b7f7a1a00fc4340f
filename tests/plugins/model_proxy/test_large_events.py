"""Events of streams that are large: pictures, arguments, answers that repeat what was asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.spi import ByteBudget
from clawmatrix_model_proxy.kept_answers import UNCOUNTED, WaitingBytes
from tests.plugins.model_proxy.asking.asking import ALONE, LINE, Client, network
from tests.plugins.model_proxy.test_converted import (
    CHAT,
    END,
    MESSAGES,
    RESPONSES,
    SAID,
    WHOLE,
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
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
PICTURE = "data:image/png;base64," + "A" * (3 * MIB)
PARTS = sse(
    chunk("Good day."),
    {"id": "c1", "choices": [{"index": 0, "delta": {"content": "", "images": [PICTURE]}}]},
)
ARGUMENTS = json.dumps({"text": "y" * (2 * MIB)})
ITEM = {
    "type": "function_call",
    "id": "f",
    "call_id": "c",
    "name": "write",
    "arguments": ARGUMENTS,
    "status": "completed",
}
CALL = sse(
    {"type": "response.created", "response": {"id": "r", "model": "m"}},
    {"type": "response.output_item.done", "output_index": 0, "item": ITEM},
    {"type": "response.completed", "response": {**WHOLE[RESPONSES], "output": [ITEM]}},
)
RULES = "rule " * (MIB // 2)
ECHO = {**WHOLE[RESPONSES], "instructions": RULES}
ECHOED = sse(
    {"type": "response.created", "response": {**ECHO, "output": [], "status": "in_progress"}},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "Good day."},
    {"type": "response.completed", "response": ECHO},
)
THOUGHT = sse(
    {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "z" * (2 * MIB)},
    },
)
CASES: dict[str, tuple[str, str, list[bytes], str]] = {
    "a picture": ("chat", CHAT, [*PARTS, *END[CHAT]], PICTURE),
    "arguments": ("chat", RESPONSES, CALL, "y" * (2 * MIB)),
    "arguments, as they are": ("responses", RESPONSES, CALL, "y" * (2 * MIB)),
    "instructions": ("responses", RESPONSES, ECHOED, RULES),
    "instructions, converted": ("messages", RESPONSES, ECHOED, "Good day."),
    "a text": ("messages", MESSAGES, [*THOUGHT, *END[MESSAGES]], "z" * (2 * MIB)),
    "a text, converted": ("chat", MESSAGES, [*THOUGHT, *END[MESSAGES]], "z" * (2 * MIB)),
    "a text of chat, converted": ("responses", CHAT, [*sse(chunk(RULES)), *END[CHAT]], RULES),
}


@pytest.mark.parametrize("hold", ["off", "whole"])
@pytest.mark.parametrize("case", CASES)
async def test_a_large_event_arrives_over_two_nodes(
    case: str, hold: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    client, api, pieces, part = CASES[case]
    async with (
        upstreaming(streams(*pieces)) as up,
        network(
            node_factory, LINE, {"office": up.base_url}, model={"api": api}, hold=hold
        ) as nodes,
    ):
        asking = Client(nodes["home"])
        await ask(asking, client, stream=True)
    assert looks_whole(client, told(asking)), told(asking)[-300:]
    assert part in told(asking)
    assert len(up.asked) == 1


async def test_set_up_that_is_large_is_no_answer_yet(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    good = streams(*SAID[CHAT], *END[CHAT])
    async with upstreaming(streams(ECHOED[0], cut=True)) as up, upstreaming(good) as spare:
        models = [
            {"id": "m", "base_url": up.base_url, "api": RESPONSES},
            {"id": "m", "base_url": spare.base_url, "api": CHAT},
        ]
        config = {"model-proxy": {"models": models}}
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, "responses", stream=True)
    assert looks_whole("responses", told(asking))
    assert RULES not in told(asking)
    assert len(spare.asked) == 1


@pytest.mark.parametrize(("client", "api"), [("chat", CHAT), ("messages", CHAT)])
async def test_an_event_over_the_limit_is_an_error_that_names_it(
    client: str, api: str, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    config = serving("", api)
    config["model-proxy"]["max_event"] = "2 MiB"
    async with upstreaming(streams(*PARTS, *END[CHAT])) as up:
        config["model-proxy"]["models"][0]["base_url"] = up.base_url
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = Client(home)
            await ask(asking, client, stream=True)
            assert home.counters["answer_too_large"] == 1
    assert not looks_whole(client, told(asking))
    assert f"more than {2 * MIB} bytes (max_event)" in told(asking)


async def never_ends(asked: Asked) -> None:
    """Stream an event that has no end."""
    await asked.begin_stream()
    await asked.chunk(PARTS[0])
    await asked.chunk(b"data: {")
    for _ in range(40):
        await asked.chunk(b" " * (MIB // 4))
    await asked.wait_gone()


@pytest.mark.bound("clawmatrix_model_proxy.kept_answers.UNCOUNTED")
async def test_large_events_of_all_streams_are_bounded_together_and_make_room(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    config = serving("", CHAT)
    config["model-proxy"] |= {"max_answer": "8 MiB", "max_answers": "16 MiB"}
    async with upstreaming(never_ends) as up:
        config["model-proxy"]["models"][0]["base_url"] = up.base_url
        async with node_factory("home", built_in=ALONE, config=config) as home:
            asking = [Client(home) for _ in range(3)]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask_stream, asking[0])
                tasks.start_soon(ask_stream, asking[1])
                with anyio.fail_after(20):
                    while not any(one.whole for one in asking):
                        await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
    assert any("max_answers" in told(one) for one in asking if one.messages)


async def ask_stream(asking: Client) -> None:
    await ask(asking, "chat", stream=True)


def test_what_waits_counts_only_where_it_is_much() -> None:
    answers = ByteBudget(8 * MIB)
    waiting = WaitingBytes(answers, "m", lambda: None)
    waiting.note(int(UNCOUNTED))
    assert answers.held == 0
    waiting.note(3 * MIB)
    assert answers.held == 3 * MIB
    waiting.note(0)
    assert answers.held == 0
    with pytest.raises(ExchangeFailure, match="max_answers"):
        waiting.note(5 * MIB)
    waiting.release()
    assert answers.held == 0


def test_what_waits_is_given_up_for_others() -> None:
    answers = ByteBudget(8 * MIB)
    gone: list[Any] = []
    first = WaitingBytes(answers, "m", lambda: gone.append(1))
    first.note(3 * MIB)
    WaitingBytes(answers, "m", lambda: None).note(3 * MIB)
    assert first.given_up
    assert gone == [1]
