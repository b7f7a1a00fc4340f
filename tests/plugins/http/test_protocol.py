"""What a connection may send before and beside the bodies of requests, over real sockets."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.places import STRANGERS
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_http.protocol import (
    DISCARDED,
    HEAD,
    HEADERS,
    PIPELINED,
    HttpConnection,
    Limits,
)
from tests.plugins.http.conftest import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

    from tests.plugins.http.conftest import Served, Serving

pytestmark = pytest.mark.anyio

GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
ECHO = b"POST /v1/echo HTTP/1.1\r\nhost: localhost\r\n"
WITH_TOKEN = b"x-api-key: " + TOKEN.encode() + b"\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The server needs asyncio, and nodes run on uvloop where it is installed."""
    return "asyncio", {"use_uvloop": request.param}


@attrs.define
class Sent:
    """What became of a connection: bytes it was sent, and what came back until it closed."""

    taken: int
    answer: bytes

    @property
    def statuses(self) -> list[int]:
        return [int(part[:3]) for part in self.answer.split(b"HTTP/1.1 ")[1:]]


@asynccontextmanager
async def dialled(served: Served) -> AsyncIterator[SocketStream]:
    address = served.http.address
    assert address is not None
    async with await anyio.connect_tcp(address.host, address.port) as stream:
        yield stream


async def send(served: Served, first: bytes, more: bytes = b"", most: int = 1 << 25) -> Sent:
    """Send something again and again until the server closes; fail where it does not."""
    sent = Sent(len(first), b"")
    async with dialled(served) as stream, anyio.create_task_group() as tasks:

        async def write() -> None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await stream.send(first)
                while more and sent.taken < most:
                    await stream.send(more)
                    sent.taken += len(more)

        tasks.start_soon(write)
        with anyio.fail_after(20), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                sent.answer += await stream.receive()
        tasks.cancel_scope.cancel()
    return sent


@pytest.mark.bound("clawmatrix_http.protocol.HEAD")
@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"GET /", b"a" * 65536),
        (b"", b"a" * 65536),
        (GET + b"x: ", b"a" * 65536),
        (GET, b"a" * 65536),
        (GET + b"x: ", b"\r\n " + b"a" * 1000),
        (GET + b"upgrade: websocket\r\nconnection: upgrade\r\nx: ", b"a" * 65536),
    ],
    ids=["path", "method", "value", "name", "folded", "upgrade"],
)
async def test_a_head_without_an_end_is_refused(
    serving: Serving, first: bytes, more: bytes
) -> None:
    async with serving() as served:
        sent = await send(served, first, more)
        assert sent.statuses in ([431], [400])
        assert served.node.counters["http_large_head"] + served.node.counters["http_bad_request"]


@pytest.mark.bound("clawmatrix_http.protocol.BESIDE")
@pytest.mark.parametrize("token", [b"", WITH_TOKEN])
@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"0\r\nx-t: ", b"a" * 65536),
        (b"0\r\n", b"x-t: v\r\n" * 1000),
        (b"1;x=", b"a" * 65536),
        (b"", b"0" * 65536),
    ],
    ids=["trailer", "many trailers", "extension", "length"],
)
async def test_what_is_no_body_is_bounded_beside_bodies(
    serving: Serving, token: bytes, first: bytes, more: bytes
) -> None:
    async with serving() as served:
        sent = await send(served, ECHO + token + CHUNKED + first, more)
        assert set(sent.statuses) <= {400, 401, 431}
        assert served.node.counters["http_large_head"] + served.node.counters["http_bad_request"]


async def test_no_more_of_a_head_is_read_than_the_bound(serving: Serving) -> None:
    async with serving() as served, dialled(served) as stream:
        await stream.send(GET + b"x: " + b"a" * (HEAD - len(GET) - 10))
        assert served.http.server is not None
        server = served.http.server
        await wait_until(lambda: server.connections == 1)
        await anyio.wait_all_tasks_blocked()
        assert server.connections == 1
        await stream.send(b"a" * 10)
        assert (await stream.receive()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.bound("clawmatrix_http.protocol.HEADERS")
async def test_a_request_with_many_headers_is_refused(serving: Serving) -> None:
    async with serving() as served:
        some = b"a: b\r\n" * (HEADERS - 1)  # one is there already
        good = await send(served, GET + some[: -len(b"a: b\r\n")] + b"connection: close\r\n\r\n")
        assert good.statuses == [200]
        assert (await send(served, GET + some + b"a: b\r\n\r\n")).statuses == [431]
        assert served.node.counters["http_large_head"] == 1


@pytest.mark.bound("clawmatrix_http.protocol.PIPELINED")
async def test_requests_that_wait_for_answers_are_few(serving: Serving) -> None:
    async with serving() as served:
        slow = b"GET /waits HTTP/1.1\r\nhost: localhost\r\n" + WITH_TOKEN + b"\r\n"
        sent = await send(served, slow * (PIPELINED + 2))
        assert sent.statuses in ([], [400])
        assert served.node.counters["http_pipelined"] == 1
        served.routes.go_on.set()


@pytest.mark.parametrize(
    "request_",
    [GET + b"\r\n", GET + b"a: b\r\n" * (HEADERS + 1) + b"\r\n", b"\x00\r\n\r\n"],
    ids=["pipelined", "many headers", "no HTTP"],
)
async def test_nothing_is_kept_of_a_connection_that_was_refused(
    serving: Serving, request_: bytes
) -> None:
    async with serving() as served:
        for _ in range(5):
            await send(served, request_ * (PIPELINED + 4))
        server = served.http.server
        assert server is not None
        await wait_until(lambda: server.connections == 0)
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        assert not [one for one in gc.get_objects() if isinstance(one, HttpConnection)]


@pytest.mark.bound("clawmatrix_http.protocol.DISCARDED")
async def test_a_body_without_the_token_is_not_read_to_its_end(serving: Serving) -> None:
    async with serving() as served:
        head = ECHO + b"content-length: 9999999999\r\n\r\n"
        sent = await send(served, head, b"a" * 65536)
        assert sent.statuses in ([401], [])
        assert served.node.counters["http_no_token"] == 1
        assert served.http.server is not None
        assert served.http.server.connections == 0


async def test_the_answer_to_a_small_body_without_the_token_arrives(serving: Serving) -> None:
    async with serving() as served, dialled(served) as stream:
        await stream.send(ECHO + b"content-length: 500000\r\n\r\n" + b"a" * 400_000)
        assert (await stream.receive()).startswith(b"HTTP/1.1 401 ")
        await stream.send(b"a" * 100_000 + GET + b"\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        assert DISCARDED > 500_000


# --- what takes too long: the clock is passed in


async def at(served: Served, seconds: float) -> None:
    """Let the server look for slow clients, as many seconds from now."""
    server = served.http.server
    assert server is not None
    server.sweep(served.node.clock.now() + seconds)


@pytest.mark.parametrize("sent", [b"", b"G", GET, GET + b"x: "])
async def test_a_head_that_comes_slowly_is_given_up(serving: Serving, sent: bytes) -> None:
    async with serving() as served, dialled(served) as stream:
        await wait_until(lambda: served.http.server and served.http.server.connections == 1)
        if sent:
            await stream.send(sent)
            await anyio.wait_all_tasks_blocked()
        await at(served, Limits().head - 1)
        await at(served, Limits().head + 1)
        assert (await stream.receive()).startswith(b"HTTP/1.1 408 ")
        assert served.node.counters["http_slow_head"] == 1


async def test_a_body_that_brings_nothing_is_given_up(serving: Serving) -> None:
    async with serving() as served, dialled(served) as stream:
        await stream.send(ECHO + WITH_TOKEN + b"content-length: 99999\r\n\r\n" + b"a" * 10_240)
        await wait_until(lambda: served.http.bodies_held == 10_240)
        await at(served, Limits().body + 9)
        await at(served, Limits().body + 11)
        assert (await stream.receive()).startswith(b"HTTP/1.1 408 ")
        await wait_until(lambda: served.http.bodies_held == 0)
        assert served.node.counters["http_slow_body"] == 1


async def test_an_answer_may_take_as_long_as_it_likes(serving: Serving) -> None:
    async with serving() as served, dialled(served) as stream:
        await stream.send(b"GET /waits HTTP/1.1\r\nhost: localhost\r\n" + WITH_TOKEN + b"\r\n")
        await served.routes.begun.wait()
        await at(served, 10_000)
        served.routes.go_on.set()
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        await at(served, 0)


# --- bodies together, and places


async def test_unfinished_bodies_are_bounded_together_and_make_room(serving: Serving) -> None:
    async with serving(max_body=100_000, max_bodies=200_000) as served:
        head = ECHO + WITH_TOKEN + b"content-length: 100000\r\n\r\n"
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(send, served, head + b"a" * 90_000)
            await wait_until(lambda: served.node.counters["http_bodies_full"] == 8)
            assert served.http.bodies_held == 180_000
            small = ECHO + WITH_TOKEN + b"connection: close\r\ncontent-length: 50000\r\n\r\n"
            assert (await send(served, small + b"b" * 50_000)).statuses == [200]
            assert served.http.bodies_held <= 200_000
            tasks.cancel_scope.cancel()
        await wait_until(lambda: served.http.bodies_held == 0)


@pytest.mark.bound("clawmatrix_core.base.places.STRANGERS")
async def test_idle_connections_keep_nobody_out(serving: Serving) -> None:
    async with serving() as served:
        address = served.http.address
        assert address is not None
        most = STRANGERS // 2 + 20
        crowd = [await anyio.connect_tcp(address.host, address.port) for _ in range(most)]
        await wait_until(lambda: served.node.counters["http_too_many_connections"] == 20)
        asked = GET + WITH_TOKEN + b"connection: close\r\n\r\n"
        assert (await send(served, asked)).statuses == [200]
        for one in crowd:
            await one.aclose()


async def test_a_connection_with_the_token_is_closed_for_nobody(serving: Serving) -> None:
    async with serving() as served, dialled(served) as stream:
        asked = b"GET /things/x HTTP/1.1\r\nhost: localhost\r\n" + WITH_TOKEN + b"\r\n"
        await stream.send(asked)
        await stream.receive()
        assert served.http.server is not None
        assert served.http.server.places.strangers == 0
        assert len(served.http.server.places) == 1
