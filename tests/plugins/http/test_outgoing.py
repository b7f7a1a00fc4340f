"""Heads of answers that cannot be sent: who is to blame, and what the client gets."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import PlainTextResponse, Response

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_http.api import HttpRoute
from clawmatrix_http.outgoing import BadAnswerHead, check_head
from clawmatrix_http.plugin import HttpPlugin
from tests.plugins.http.conftest import TOKEN, Served, config
from tests.plugins.http.test_server import ask_raw

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

BAD_HEADS: dict[str, dict[str, Any]] = {
    "no status": {},
    "a status of text": {"status": "200"},
    "a status that is a truth value": {"status": True},
    "an informational status": {"status": 100},
    "a status below all": {"status": 0},
    "a status above all": {"status": 600},
    "a huge status": {"status": 2**53},
    "headers that are no list": {"status": 200, "headers": 7},
    "a header of three parts": {"status": 200, "headers": [(b"a", b"b", b"c")]},
    "a name of text": {"status": 200, "headers": [("x-a", b"v")]},
    "an empty name": {"status": 200, "headers": [(b"", b"v")]},
    "a space in a name": {"status": 200, "headers": [(b"x-a b", b"v")]},
    "a colon in a name": {"status": 200, "headers": [(b"x-a:", b"v")]},
    "a line break in a name": {"status": 200, "headers": [(b"x-a\r\nset-cookie: b", b"v")]},
    "a letter beyond ASCII in a name": {"status": 200, "headers": [(b"x-\xe9", b"v")]},
    "an endless name": {"status": 200, "headers": [(b"x" * 257, b"v")]},
    "a value of text": {"status": 200, "headers": [(b"x-a", "v")]},
    "a line break in a value": {"status": 200, "headers": [(b"x-a", b"v\r\nset-cookie: b")]},
    "a lone line feed in a value": {"status": 200, "headers": [(b"x-a", b"v\n")]},
    "a NUL in a value": {"status": 200, "headers": [(b"x-a", b"\0")]},
    "a DEL in a value": {"status": 200, "headers": [(b"x-a", b"\x7f")]},
    "a length that is no number": {"status": 200, "headers": [(b"content-length", b"-1")]},
    "a length of many digits": {"status": 200, "headers": [(b"content-length", b"9" * 5000)]},
    "two lengths": {"status": 200, "headers": [(b"content-length", b"1")] * 2},
}


@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS)
def test_a_head_that_cannot_be_sent_is_refused(head: dict[str, Any]) -> None:
    with pytest.raises(BadAnswerHead):
        check_head({"type": "http.response.start", **head})


def test_a_head_of_the_usual_kind_is_taken() -> None:
    headers = [(b"X-Ratelimit-Limit", b"1\t2"), (b"content-length", b"007"), (b"a", b"\xe9")]
    check_head({"type": "http.response.start", "status": 599, "headers": headers})
    check_head({"type": "http.response.start", "status": 200})


def test_a_status_may_be_one_of_the_standard_library() -> None:
    check_head({"type": "http.response.start", "status": HTTPStatus.ACCEPTED})
    with pytest.raises(BadAnswerHead, match="CONTINUE"):
        check_head({"type": "http.response.start", "status": HTTPStatus.CONTINUE})


class Careless:
    """A plugin whose routes answer with heads that cannot be sent."""

    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("/status", ("GET",), self._status),
            HttpRoute("/header", ("GET",), self._header),
            *(HttpRoute(f"/{n}", ("GET",), app=self._app(n)) for n in range(len(BAD_HEADS))),
        ]

    async def _status(self, request: Request) -> Response:
        return PlainTextResponse("x", 700)

    async def _header(self, request: Request) -> Response:
        return PlainTextResponse("x", headers={"x-a b": "v"})

    def _app(self, number: int) -> Any:
        head = list(BAD_HEADS.values())[number]

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", **head})
            await send({"type": "http.response.body", "body": b"x"})

        return app


@pytest.mark.anyio
@pytest.mark.faults_expected
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_client_gets_an_error_and_the_plugin_the_blame() -> None:
    http, careless = HttpPlugin(), Careless()
    async with Node(config(), plugins=[http, careless], state=MemoryState()) as node:
        served = Served(node, http, careless)  # type: ignore[arg-type]
        paths = ["/status", "/header", *(f"/{n}" for n in range(len(BAD_HEADS)))]
        for path in paths:
            request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\n"
            answer = await ask_raw(served, f"{request}connection: close\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 500 "), (path, answer)
            assert b"set-cookie" not in answer
            assert "error" in json.loads(answer.partition(b"\r\n\r\n")[2])
        faults = {info.name: info.faults for info in node.plugins.list() if info.faults}
        assert list(faults.values()) == [len(paths)]
        assert "http" not in faults
