"""Upstreams whose answers would keep the node busy: each ends with an error, and others go on."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_model_proxy.http.inflater import EMPTY, STEPS, Inflater
from clawmatrix_model_proxy.http.reader import BrokenAnswer
from clawmatrix_model_proxy.streams.sse import PORTION, SILENT_LINES
from clawmatrix_model_proxy.wire import Opening
from tests.plugins.model_proxy.serving.serving import BODY, EVENT, ask, model

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.kernel.node import Node
    from tests.plugins.model_proxy.conftest import Asked, Serving, Upstreaming

pytestmark = pytest.mark.anyio

MESSAGES = b'{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"x"}]}'
REQUESTS = {"chat": BODY, "messages": MESSAGES}
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
    b"content-length: %d\r\n\r\n"
)
SILENT = {
    "carriage returns": b"\r",
    "newlines": b"\n\n",
    "both": b"\r\n",
    "comments": b": x\n\n",
    "words": b"data: ping\n\n",
    "names": b"event: ping\n\n",
}


async def turns_until_failure(node: Node, api: str) -> tuple[str, int]:
    """Return how a stream failed, and how many turns other tasks had up to then."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        with anyio.fail_after(30), pytest.raises(ExchangeFailure) as caught:
            await ask(node, REQUESTS[api], opening=Opening(api, "m", stream=True))
        tasks.cancel_scope.cancel()
    return f"{caught.value.code}: {caught.value}", turns


@pytest.mark.bound("clawmatrix_model_proxy.streams.sse.SILENT_LINES")
@pytest.mark.parametrize("api", REQUESTS)
@pytest.mark.parametrize("unit", SILENT.values(), ids=list(SILENT))
async def test_a_small_answer_that_opens_to_a_stream_without_events_is_ended(
    unit: bytes, api: str, serving: Serving, upstreaming: Upstreaming
) -> None:
    packed = gzip.compress(EVENT + unit * 2_000_000)
    assert len(packed) < 100_000

    async def answer(asked: Asked) -> None:
        await asked.send(HEAD % len(packed) + packed)

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        failure, turns = await turns_until_failure(node, api)
        assert node.counters["answer_too_large"] == 1
    assert "bring no event" in failure
    assert turns >= SILENT_LINES // PORTION


async def test_endless_newlines_end_with_an_error(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        while True:
            await asked.chunk(b"\n" * 65536)

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        failure, _ = await turns_until_failure(node, "chat")
    assert failure.startswith("answer_too_large")


async def test_comments_between_events_are_no_silence(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    comments = b": keep-alive\n\n" * 5000

    async def answer(asked: Asked) -> None:
        await asked.begin_stream()
        for _ in range(10):
            await asked.chunk(comments)
            await asked.chunk(EVENT)
        await asked.chunk(b"data: [DONE]\n\n")
        await asked.end_stream()

    async with upstreaming(answer) as up, serving(models=[model(up.base_url)]) as node:
        _, body = await ask(node, stream=True)
    assert body.count(EVENT) == 10


# --- what is compressed


def opened(data: bytes, open_: Callable[[Inflater], None]) -> bytes:
    inflater, pieces = Inflater(), []
    pieces.append(inflater.feed(data))
    while pieces[-1] or inflater.waiting:
        open_(inflater)
        pieces.append(inflater.feed(b""))
    inflater.end()
    return b"".join(pieces)


@pytest.mark.bound("clawmatrix_model_proxy.http.inflater.STEPS")
def test_parts_that_open_to_nothing_are_passed_over_a_few_at_a_time() -> None:
    goes: list[Inflater] = []
    packed = gzip.compress(b"") * 10_000 + gzip.compress(b"end")
    assert opened(packed, goes.append) == b"end"
    assert len(goes) >= 10_000 // (2 * STEPS)


@pytest.mark.bound("clawmatrix_model_proxy.http.inflater.EMPTY")
def test_what_opens_to_nothing_in_a_row_is_bounded() -> None:
    empty = gzip.compress(b"")
    fits = EMPTY // len(empty) - 300
    assert opened((empty * fits + gzip.compress(b"end")) * 2, lambda _: None) == b"endend"
    with pytest.raises(BrokenAnswer, match="open to nothing"):
        opened(empty * (fits + 301), lambda _: None)


def test_what_was_not_looked_at_is_not_copied_at_each_step() -> None:
    packed = gzip.compress(b"a") * 3000
    assert opened(packed, lambda _: None) == b"a" * 3000


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_what_is_compressed_opens_the_same_however_it_comes(size: int) -> None:
    body = bytes(range(256)) * 500
    packed = gzip.compress(body) + gzip.compress(b"") + gzip.compress(body)
    inflater, out = Inflater(), b""
    for at in range(0, len(packed), size):
        piece = inflater.feed(packed[at : at + size])
        while piece or inflater.waiting:
            out += piece
            piece = inflater.feed(b"")
    inflater.end()
    assert out == body * 2


def test_what_stands_behind_the_last_member_is_not_kept() -> None:
    inflater = Inflater()
    assert inflater.feed(zlib.compress(b"abc")) == b"abc"
    for _ in range(100):
        assert inflater.feed(b"more") == b""
    assert not inflater.waiting
