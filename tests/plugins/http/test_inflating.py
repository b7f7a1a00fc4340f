"""Compressed bodies of requests: opened in pieces, within the same bounds as others."""

from __future__ import annotations

import gzip
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from clawmatrix_http.inflating import PIECE, BodyInflater, inflated
from tests.plugins.http.conftest import TOKEN, Serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message

    from tests.plugins.http.conftest import Served

pytestmark = pytest.mark.anyio

TEXT = b'{"model": "m", "messages": []}' * 9


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The server needs asyncio."""
    return "asyncio", {"use_uvloop": False}


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


@asynccontextmanager
async def client(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"api-key": TOKEN}
    async with httpx2.AsyncClient(base_url=served.url, headers=headers) as asking:
        yield asking


BODIES = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "x-gzip": ("X-GZIP", gzip.compress(TEXT)),
    "two members": ("gzip", gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:])),
    "zeros behind it": ("gzip", gzip.compress(TEXT) + bytes(9)),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "deflate without a head": ("deflate", raw_deflate(TEXT)),
    "identity": ("identity", TEXT),
    "nothing": ("", TEXT),
}


@pytest.mark.parametrize(("encoding", "body"), BODIES.values(), ids=BODIES)
async def test_a_compressed_body_is_taken_for_what_is_in_it(
    encoding: str, body: bytes, serving: Serving
) -> None:
    async with serving() as served, client(served) as asking:
        answer = await asking.post("/v1/echo", content=body, headers={"content-encoding": encoding})
    assert (answer.status_code, answer.content) == (200, TEXT)


async def test_one_that_comes_in_pieces_is_put_together() -> None:
    packed = gzip.compress(TEXT)
    unread: list[Message] = [
        {"type": "http.request", "body": packed[at : at + 1], "more_body": at + 1 < len(packed)}
        for at in range(len(packed))
    ]
    unread.append({"type": "http.disconnect"})

    async def receive() -> Message:
        return unread.pop(0)

    async def bad(why: str) -> None:
        raise AssertionError(why)

    opened, body, more = inflated(receive, b"gzip", bad), b"", True
    while more:
        message = await opened()
        body, more = body + message["body"], message["more_body"]
    assert body == TEXT
    assert (await opened())["type"] == "http.disconnect"


@pytest.mark.parametrize(
    "body",
    [
        b"no gzip at all",
        gzip.compress(TEXT)[:-9],
        b"\x1f\x8b",
        gzip.compress(TEXT)[:20] + b"x" * 99,
    ],
    ids=["other", "cut", "a beginning", "damaged"],
)
@pytest.mark.parametrize("path", ["/v1/echo", "/v1/messages"])
async def test_one_that_cannot_be_opened_is_refused_in_the_shape_of_the_path(
    path: str, body: bytes, serving: Serving
) -> None:
    async with serving() as served, client(served) as asking:
        answer = await asking.post(path, content=body, headers={"content-encoding": "gzip"})
        again = await asking.post(path, content=TEXT)
        assert served.faults == []
    assert answer.status_code == 400
    assert "cannot be opened" in answer.json()["error"]["message"]
    assert again.content == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
async def test_other_encodings_are_refused_with_those_that_are_known(
    encoding: str, serving: Serving
) -> None:
    async with serving() as served, client(served) as asking:
        answer = await asking.post("/v1/echo", content=b"x", headers={"content-encoding": encoding})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, deflate")
    assert answer.json()["error"]["code"] == "unsupported_encoding"


async def test_an_empty_body_is_empty(serving: Serving) -> None:
    async with serving() as served, client(served) as asking:
        answer = await asking.post("/v1/echo", headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.content) == (200, b"")


async def test_what_comes_out_counts_and_not_what_was_sent(serving: Serving) -> None:
    bomb = gzip.compress(bytes(1 << 26))
    async with serving(max_body="1 MiB") as served, client(served) as asking:
        answer = await asking.post("/v1/echo", content=bomb, headers={"content-encoding": "gzip"})
        assert served.http.bodies_held == 0
    assert answer.status_code == 413
    assert "max_body" in answer.json()["error"]["message"]


@pytest.mark.bound("clawmatrix_http.inflating.PIECE")
async def test_other_work_has_its_turn_between_two_pieces() -> None:
    body, turns = gzip.compress(bytes(64 * PIECE)), 0

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def bad(why: str) -> None:
        raise AssertionError(why)

    async def work() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    opened, sizes, more = inflated(receive, b"gzip", bad), [], True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        while more:
            message = await opened()
            sizes.append(len(message["body"]))
            more = message["more_body"]
        tasks.cancel_scope.cancel()
    assert (max(sizes), sum(sizes)) == (PIECE, 64 * PIECE)
    assert turns >= 60


def test_a_body_of_many_empty_members_is_opened_one_at_a_time() -> None:
    inflater = BodyInflater(b"gzip")
    inflater.feed(gzip.compress(b"") * 3 + gzip.compress(b"x"))
    steps = [inflater.piece() for _ in range(4)]
    assert steps == [b"", b"", b"", b"x"]
    assert (inflater.waiting, inflater.whole) == (False, True)
