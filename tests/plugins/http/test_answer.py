"""Applications that answer wrongly, or not at all, and bodies over the limit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_http.api import CLIENT_GONE, HttpRefusal, HttpRoute
from clawmatrix_http.plugin import HttpPlugin
from tests.plugins.http.conftest import TOKEN, config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from clawmatrix_core.base.json_value import JSON

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

LIMIT = 1024
OVER = {"odd": [413, "request_too_large"]}
FAILED = {"odd": [500, "internal_error"]}


def odd(refusal: HttpRefusal) -> JSON:
    return {"odd": [refusal.status, refusal.code]}


@attrs.define
class Mounted:
    """A plugin with one application below ``/app``."""

    extends = ("http",)
    app: ASGIApp

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        return [HttpRoute("/app", app=self.app, errors=odd, mount=True)]


@attrs.define
class Asked:
    """A client, and the faults of the plugin that it asks."""

    client: httpx2.AsyncClient
    node: Node

    @property
    def faults(self) -> list[str | None]:
        return [info.last_fault for info in self.node.plugins.list() if info.faults]

    async def post(self, size: int, path: str = "/app") -> httpx2.Response:
        """Send a body of some bytes, without its length."""

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(size // 256):
                yield b"x" * 256

        return await self.client.post(path, content=pieces())


@asynccontextmanager
async def asking(app: ASGIApp) -> AsyncIterator[Asked]:
    """Run a node with an application, and a client that shows its token."""
    http = HttpPlugin()
    given = config(max_body=f"{LIMIT} B")
    node = Node(given, plugins=[http, Mounted(app)], state=MemoryState(), watchdog=False)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with node:
        url = f"http://{http.address}"
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            yield Asked(client, node)


async def read_all(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def read_or_400(request: Request) -> Response:
    try:
        return PlainTextResponse(str(len(await request.body())))
    except Exception as error:
        raise HTTPException(400, "no body") from error


async def read_and_stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Take the error for its own, and stream without an end."""
    try:
        while (await receive()).get("more_body"):
            pass
    except Exception:  # noqa: BLE001 - what a careless application does
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await PlainTextResponse("read")(scope, receive, send)


async def swallow(scope: Scope, receive: Receive, send: Send) -> None:
    """Take the error for its own, and send nothing."""
    try:
        while (await receive()).get("more_body"):
            pass
    except Exception:  # noqa: BLE001 - what a careless application does
        return
    await PlainTextResponse("read")(scope, receive, send)


async def swallow_and_wait(scope: Scope, receive: Receive, send: Send) -> None:
    """Take the error for its own, and wait for something else."""
    try:
        while (await receive()).get("more_body"):
            pass
    except Exception:  # noqa: BLE001 - what a careless application does
        await anyio.sleep_forever()
    await PlainTextResponse("read")(scope, receive, send)


def starlette(endpoint: object) -> Starlette:
    return Starlette(routes=[Route("/x", endpoint, methods=["GET", "POST"])])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "app",
    [starlette(read_all), starlette(read_or_400), read_and_stream, swallow, swallow_and_wait],
)
async def test_a_body_over_the_limit_is_413_whatever_an_application_makes_of_it(
    app: ASGIApp,
) -> None:
    async with asking(app) as asked:
        over = await asked.post(LIMIT + 256, "/app/x")
        assert (over.status_code, over.json()) == (413, OVER)
        assert over.headers["connection"] == "close"
        assert (await asked.post(LIMIT, "/app/x")).status_code == 200
        assert asked.faults == []


async def test_a_body_over_the_limit_closes_the_connection_of_an_answer_that_has_begun() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            got = await receive()
            more = got["more_body"]
            await send({"type": "http.response.body", "body": got["body"], "more_body": more})

    async with asking(echo) as asked:
        with pytest.raises(httpx2.TransportError):
            await asked.post(LIMIT + 256, "/app/x")
        assert (await asked.post(LIMIT, "/app/x")).content == b"x" * LIMIT
        assert asked.faults == []


async def begin_without_end(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def send_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Return without an answer."""


async def send_a_body_alone(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.body", "body": b"x"})


@pytest.mark.faults_expected
@pytest.mark.parametrize(
    ("app", "words"),
    [
        (send_nothing, "RuntimeError: it returned without an answer"),
        (send_a_body_alone, "RuntimeError: "),
    ],
)
async def test_an_application_without_an_answer_is_a_fault_and_500_in_its_shape(
    app: ASGIApp, words: str
) -> None:
    async with asking(app) as asked:
        failed = await asked.client.get("/app")
        assert (failed.status_code, failed.json()) == (500, FAILED)
        [fault] = asked.faults
        assert fault is not None
        assert fault.startswith(f"GET /app: {words}")


@pytest.mark.faults_expected
async def test_an_answer_without_an_end_is_a_fault_and_closes_the_connection() -> None:
    async with asking(begin_without_end) as asked:
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete"):
            await asked.client.get("/app")
        assert asked.faults == ["GET /app: RuntimeError: it returned without the end of its answer"]


async def test_an_application_whose_client_has_gone_need_not_answer() -> None:
    begun, done = anyio.Event(), anyio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        gone = anyio.Event()
        scope["extensions"][CLIENT_GONE]["call"](gone.set)
        begun.set()
        await gone.wait()
        done.set()

    async with asking(wait) as asked:
        async with anyio.create_task_group() as group:
            group.start_soon(asked.client.get, "/app")
            await begun.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(5):
            await done.wait()
            await anyio.wait_all_tasks_blocked()
        assert asked.faults == []
