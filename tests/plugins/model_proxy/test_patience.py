"""How long a model may say nothing, on a clock that jumps to whatever is waited for."""

from __future__ import annotations

import json
import math
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from trio.testing import MockClock

from tests.plugins.model_proxy.asking.asking import ALONE, Client
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
    sse,
    told,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Answer, Asked, Upstream, Upstreaming

JUMPS_AFTER = 0.001
CLOCK = MockClock(autojump_threshold=JUMPS_AFTER)
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", [("trio", {"clock": CLOCK})], ids=["virtual"]),
]

Piece = bytes | float | list[bytes]


def says(*pieces: Piece, type_: str = "text/event-stream") -> Answer:
    """Return an upstream that streams these pieces; numbers are seconds of silence."""

    async def answer(asked: Asked) -> None:
        await asked.begin_stream(type_=type_)
        for piece in pieces:
            if isinstance(piece, bytes):
                await asked.chunk(piece)
            elif isinstance(piece, list):
                await asked.chunk(b"".join(piece))
            else:
                await anyio.sleep(piece)
        await asked.end_stream()

    return answer


def often(times: int, *pieces: Piece) -> tuple[Piece, ...]:
    """Return pieces a number of times."""
    return pieces * times


@contextmanager
def in_real_time() -> Iterator[None]:
    """Let time pass as it does, where threads work: the clock would not wait for them."""
    CLOCK.rate, CLOCK.autojump_threshold = 1.0, math.inf
    try:
        yield
    finally:
        CLOCK.rate, CLOCK.autojump_threshold = 0.0, JUMPS_AFTER


@asynccontextmanager
async def asking_of(
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    *answers: Answer,
    api: str = CHAT,
    model: dict[str, Any] | None = None,
    **table: Any,
) -> AsyncIterator[tuple[Client, list[Upstream]]]:
    """Give a client of a node whose model has these upstreams, and those upstreams."""
    async with upstreaming(answers[0]) as first, upstreaming(answers[-1]) as last:
        ups = [first, last][: len(answers)]
        models = [{"id": "m", "base_url": up.base_url, "api": api, **(model or {})} for up in ups]
        config = {"model-proxy": {"models": models, **table}}
        home = node_factory("home", built_in=ALONE, config=config)
        async with AsyncExitStack() as stack:
            with in_real_time():
                await stack.enter_async_context(home)
            yield Client(home), ups


async def timed(asking: Client, client: str, *, stream: bool = True) -> float:
    """Ask, and return how many seconds that took."""
    began = anyio.current_time()
    await ask(asking, client, stream=stream)
    return anyio.current_time() - began


CREATED = SAID[RESPONSES][0]
START = SAID[MESSAGES][0]
ROLE = sse({"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})[
    0
]
PING = sse({"type": "ping"})[0]
COMMENT = b": processing\n\n"
REASONING = sse({"id": "c1", "choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}}]})[0]
THINKING = sse(
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": ""},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "thinking_delta", "thinking": "H"},
    },
    {"type": "content_block_stop", "index": 0},
)
SUMMARY = sse(
    {
        "type": "response.reasoning_summary_text.delta",
        "item_id": "r",
        "output_index": 0,
        "delta": "H",
    }
)[0]
TEXT = [json.dumps(json.loads(one[6:]) | {"index": 1}) for one in SAID[MESSAGES][1:]]
LATER = [f"data: {one}\n\n".encode() for one in TEXT]
LATER_END = [END[MESSAGES][0].replace(b'"index": 0', b'"index": 1'), *END[MESSAGES][1:]]

ALIVE: dict[str, tuple[str, tuple[Piece, ...]]] = {
    "response.created": (RESPONSES, (CREATED, 33.0, SAID[RESPONSES][1:], END[RESPONSES])),
    "response.created, and again": (
        RESPONSES,
        (
            CREATED,
            100.0,
            sse({"type": "response.in_progress"}),
            100.0,
            SAID[RESPONSES][1:],
            END[RESPONSES],
        ),
    ),
    "message_start": (MESSAGES, (START, 110.0, SAID[MESSAGES][1:], END[MESSAGES])),
    "pings": (MESSAGES, (START, *often(3, PING, 50.0), SAID[MESSAGES][1:], END[MESSAGES])),
    "a ping in the middle": (MESSAGES, (SAID[MESSAGES], PING, 50.0, END[MESSAGES])),
    "a thought": (CHAT, (ROLE, REASONING, 110.0, SAID[CHAT], END[CHAT])),
    "a thought of Messages": (MESSAGES, (START, THINKING, 110.0, LATER, LATER_END)),
    "a summary": (RESPONSES, (CREATED, SUMMARY, 110.0, SAID[RESPONSES][1:], END[RESPONSES])),
}
CLIENTS = {CHAT: "chat", RESPONSES: "responses", MESSAGES: "messages"}


@pytest.mark.parametrize("others", [False, True], ids=["alone", "with another"])
@pytest.mark.parametrize("client", [None, "chat", "messages"])
@pytest.mark.parametrize("case", ALIVE)
async def test_a_model_that_gives_a_sign_of_life_has_the_time_of_one_alone(
    case: str,
    client: str | None,
    *,
    others: bool,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    api, pieces = ALIVE[case]
    client = client or CLIENTS[api]
    answers = [says(*pieces)] * (1 + others)
    async with asking_of(node_factory, upstreaming, *answers, api=api) as (asking, ups):
        await ask(asking, client, stream=True)
    assert looks_whole(client, told(asking)), told(asking)
    assert [len(up.asked) for up in ups] == [1, 0][: 1 + others]


NO_SIGN: dict[str, tuple[str, tuple[Piece, ...]]] = {
    "a role": (CHAT, (ROLE, 400.0)),
    "a role and comments": (CHAT, (ROLE, *often(100, COMMENT, 4.0))),
    "comments": (MESSAGES, (*often(100, COMMENT, 4.0),)),
    "blank lines": (RESPONSES, (*often(100, b"\n", 4.0),)),
    "a comment in pieces": (CHAT, (ROLE, *often(50, b": pro", 4.0, b"cessing\n\n", 4.0))),
}


@pytest.mark.parametrize(("others", "most"), [(False, 121), (True, 13)], ids=["alone", "another"])
@pytest.mark.parametrize("case", NO_SIGN)
async def test_a_role_and_a_comment_extend_nothing(
    case: str, most: float, *, others: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    api, pieces = NO_SIGN[case]
    good = says(SAID[api], END[api])
    answers = [says(*pieces), good] if others else [says(*pieces)]
    async with asking_of(node_factory, upstreaming, *answers, api=api) as (asking, ups):
        took = await timed(asking, CLIENTS[api])
    assert most - 2 < took < most
    assert looks_whole(CLIENTS[api], told(asking)) is others, told(asking)
    assert len(ups[0].asked) == 1


async def test_a_role_does_not_shorten_the_time_of_the_first_token(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    slow = says(ROLE, 100.0, SAID[CHAT], END[CHAT])
    async with asking_of(node_factory, upstreaming, slow) as (asking, _):
        await ask(asking, "chat", stream=True)
    assert looks_whole("chat", told(asking)), told(asking)


@pytest.mark.parametrize(
    "stalls",
    [(400.0,), (*often(80, COMMENT, 5.0),), (*often(80, b"data: ping\n\n", 5.0),)],
    ids=["silence", "comments", "words"],
)
@pytest.mark.parametrize("client", ["chat", "messages"])
async def test_in_the_middle_of_a_sentence_there_is_no_patience(
    stalls: tuple[Piece, ...],
    client: str,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    stalled = says(ROLE, REASONING, SAID[CHAT], *stalls)
    async with asking_of(node_factory, upstreaming, stalled) as (asking, _):
        took = await timed(asking, client)
    assert 30 <= took < 36
    assert not looks_whole(client, told(asking))


async def test_an_event_that_comes_slowly_is_no_silence(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    large = sse(chunk("x" * 100))[0]
    pieces: list[Piece] = []
    for at in range(0, len(large), 20):
        pieces += [large[at : at + 20], 20.0]
    slow = says(SAID[CHAT], *pieces, END[CHAT])
    async with asking_of(node_factory, upstreaming, slow) as (asking, _):
        await ask(asking, "chat", stream=True)
    assert looks_whole("chat", told(asking)), told(asking)


# --- options


@pytest.mark.parametrize(("limit", "asked"), [("60s", [1, 0]), ("3s", [1, 1])])
async def test_a_model_has_a_first_token_limit_of_its_own(
    limit: str, asked: list[int], node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    slow = says(ROLE, 5.0 if limit == "3s" else 50.0, SAID[CHAT], END[CHAT])
    good = says(SAID[CHAT], END[CHAT])
    own = {"first_token_timeout": limit}
    async with asking_of(node_factory, upstreaming, slow, good, model=own) as (asking, ups):
        took = await timed(asking, "chat")
    assert [len(up.asked) for up in ups] == asked
    assert took == pytest.approx(3 if limit == "3s" else 50, abs=1)
    assert looks_whole("chat", told(asking))


@pytest.mark.parametrize(("limit", "whole"), [("200s", True), ("5s", False)])
async def test_a_model_has_an_idle_limit_of_its_own(
    limit: str, whole: bool, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    stalls = says(SAID[CHAT], 100.0, END[CHAT])
    own = {"idle_timeout": limit}
    async with asking_of(node_factory, upstreaming, stalls, model=own) as (asking, _):
        took = await timed(asking, "chat")
    assert looks_whole("chat", told(asking)) is whole
    assert took == pytest.approx(100 if whole else 5, abs=2)


# --- without a stream


def answers_after(seconds: float) -> Answer:
    """Return an upstream that answers in one piece after some time."""

    async def answer(asked: Asked) -> None:
        with anyio.move_on_after(seconds):
            await asked.wait_gone()
            return
        await asked.answer(json.dumps(WHOLE[CHAT]).encode())

    return answer


def stalls_in(body: bytes) -> Answer:
    """Return an upstream that sends half of a body, and then nothing."""

    async def answer(asked: Asked) -> None:
        head = f"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        await asked.send(head.encode() + b"\r\n\r\n" + body[: len(body) // 2])
        await asked.wait_gone()

    return answer


@pytest.mark.parametrize(
    ("seconds", "most", "asked"),
    [(50, 51, [1, 0]), (70, 61, [1, 1]), (1000, 61, [1, 1])],
)
async def test_an_answer_without_a_stream_has_its_time_while_another_is_left(
    seconds: float,
    most: float,
    asked: list[int],
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    answers = [answers_after(seconds), answers_after(0.1)]
    async with asking_of(node_factory, upstreaming, *answers) as (asking, ups):
        took = await timed(asking, "chat", stream=False)
    assert asking.status == 200
    assert [len(up.asked) for up in ups] == asked
    assert most - 2 < took < most


async def test_the_last_candidate_has_longer(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with asking_of(node_factory, upstreaming, answers_after(110)) as (asking, _):
        await ask(asking, "chat")
    assert asking.status == 200


async def test_a_body_that_stalls_is_given_up_and_another_candidate_asked(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    stalled = stalls_in(json.dumps(WHOLE[CHAT]).encode())
    async with asking_of(node_factory, upstreaming, stalled, answers_after(0.1)) as (asking, ups):
        took = await timed(asking, "chat", stream=False)
    assert asking.status == 200
    assert 30 <= took < 33
    assert [len(up.asked) for up in ups] == [1, 1]
