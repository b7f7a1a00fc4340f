"""Answers that an application gives in one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_http.api import WHOLE_ANSWER
from tests.plugins.http.test_answer import FAILED, asking

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tests.plugins.http.test_answer import Asked

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

KIND = (b"Content-Type", b"text/plain")


def whole(*headers: tuple[bytes, bytes], status: int = 200, **changed: Any) -> ASGIApp:
    """Return an application that gives its answer in one message."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert WHOLE_ANSWER in scope["extensions"]
        message = {"status": status, "headers": [KIND, *headers], "body": b"all of it", **changed}
        await send({"type": WHOLE_ANSWER, **message})

    return app


async def raw(asked: Asked, line: str, *more: str) -> bytes:
    """Return all that the server sends for a request, until it closes the connection."""
    url, token = asked.client.base_url, asked.client.headers["authorization"]
    head = [line, f"host: {url.host}:{url.port}", f"authorization: {token}", *more, "", ""]
    async with await anyio.connect_tcp(url.host, url.port or 0) as stream:
        await stream.send("\r\n".join(head).encode())
        return b"".join([piece async for piece in stream])


async def test_a_whole_answer_has_its_length_and_leaves_the_connection_open() -> None:
    async with asking(whole((b"x-more", b"1"), status=201)) as asked:
        for _ in range(2):
            answer = await asked.client.get("/app")
            assert (answer.status_code, answer.text) == (201, "all of it")
            assert answer.headers["content-length"] == "9"
            assert answer.headers["content-type"] == "text/plain"
            assert answer.headers["x-more"] == "1"
            assert "date" in answer.headers
            assert "connection" not in answer.headers
        assert asked.faults == []


async def test_a_client_that_closes_gets_a_whole_answer_and_its_end() -> None:
    async with asking(whole()) as asked:
        sent = await raw(asked, "GET /app HTTP/1.1", "connection: close")
    head, _, body = sent.partition(b"\r\n\r\n")
    assert body == b"all of it"
    assert b"connection: close" in head.split(b"\r\n")


async def test_a_client_of_http_1_0_gets_a_whole_answer() -> None:
    async with asking(whole()) as asked:
        sent = await raw(asked, "GET /app HTTP/1.0")
    head, _, body = sent.partition(b"\r\n\r\n")
    assert body == b"all of it"
    assert b"content-length: 9" in head.split(b"\r\n")


async def test_the_answer_to_head_is_without_its_body() -> None:
    async with asking(whole()) as asked:
        answer = await asked.client.head("/app")
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await asked.client.get("/app")).text == "all of it"


async def test_an_answer_with_its_own_length_has_one() -> None:
    async with asking(whole((b"Content-Length", b"9"))) as asked:
        answer = await asked.client.get("/app")
        assert answer.text == "all of it"
        assert answer.headers.get_list("content-length") == ["9"]


@pytest.mark.parametrize("header", [(b"x", b"a\r\nb: c"), (b"a b", b"c"), ("x", "text")])
async def test_a_whole_answer_whose_head_cannot_be_sent_is_a_fault(header: Any) -> None:
    async with asking(whole(header)) as asked:
        answer = await asked.client.get("/app")
        assert (answer.status_code, answer.json()) == (500, FAILED)
        assert any("header" in (fault or "") for fault in asked.faults)


async def test_a_web_page_that_is_let_in_gets_its_headers_with_a_whole_answer() -> None:
    async with asking(whole()) as asked:
        url = str(asked.client.base_url).rstrip("/")
        answer = await asked.client.get("/app", headers={"origin": url})
        assert answer.text == "all of it"
        assert answer.headers["access-control-allow-origin"] == url


async def test_nothing_follows_a_whole_answer() -> None:
    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await whole()(scope, receive, send)
        await whole()(scope, receive, send)

    async with asking(twice) as asked:
        assert (await asked.client.get("/app")).text == "all of it"
        assert any("already completed" in (fault or "") for fault in asked.faults)
