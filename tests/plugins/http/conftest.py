"""A node with nothing but the HTTP server, and routes to ask it for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState, State
from clawmatrix_http.api import CLIENT_GONE, HttpRoute
from clawmatrix_http.plugin import HttpPlugin
from clawmatrix_model_proxy.api import anthropic_error, openai_error

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

TOKEN = "a-token-for-tests-only"


class Routes:
    extends = ("http",)

    """A plugin with one route for each thing a route can do."""

    def __init__(self) -> None:
        self.go_on = anyio.Event()
        self.begun = anyio.Event()
        self.gone = anyio.Event()

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        """Add the routes."""
        return [
            HttpRoute("/v1/echo", ("POST",), self._echo, errors=openai_error),
            HttpRoute("/v1/messages", ("POST",), self._echo, errors=anthropic_error),
            HttpRoute("/things/{name:path}", ("GET", "DELETE"), self._thing),
            HttpRoute("/v1/broken", ("GET",), self._broken, errors=openai_error),
            HttpRoute("/v1/breaks", ("GET",), self._breaks, errors=openai_error),
            HttpRoute("/slow", ("GET",), self._slow),
            HttpRoute("/v1/app", ("GET",), app=self._app, errors=openai_error),
            HttpRoute("/waits", ("GET",), self._waits),
            HttpRoute("/waits/late", ("GET",), self._waits_late),
        ]

    async def _echo(self, request: Request) -> Response:
        return Response(await request.body(), media_type="application/octet-stream")

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"] == b"raise":
            raise ValueError("the secret reason")
        await PlainTextResponse("an application's own")(scope, receive, send)

    async def _thing(self, request: Request) -> Response:
        return PlainTextResponse(f"{request.method} {request.path_params['name']}")

    async def _broken(self, request: Request) -> Response:
        raise ValueError("the secret reason")

    async def _breaks(self, request: Request) -> Response:
        async def half() -> AsyncIterator[bytes]:
            yield b"half of "
            raise ValueError("the secret reason")

        return StreamingResponse(half())

    async def _waits(self, request: Request) -> Response:
        self._when_gone(request)
        self.begun.set()
        await self.go_on.wait()
        return PlainTextResponse("answered")

    async def _waits_late(self, request: Request) -> Response:
        self.begun.set()
        await self.go_on.wait()
        self._when_gone(request)
        return PlainTextResponse("answered")

    def _when_gone(self, request: Request) -> None:
        request.scope["extensions"][CLIENT_GONE]["call"](self.gone.set)

    async def _slow(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one "
            self.begun.set()
            await self.go_on.wait()
            yield b"two"

        return StreamingResponse(parts())


@attrs.define
class Served:
    """A node that serves."""

    node: Node
    http: HttpPlugin
    routes: Routes

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://{self.http.address}"

    @property
    def faults(self) -> list[str | None]:
        """The last fault of each plugin that has one."""
        return [info.last_fault for info in self.node.plugins.list() if info.faults]


Serving = Callable[..., AbstractAsyncContextManager[Served]]


def config(**http: Any) -> Config:
    """Return a node's configuration, with a free port unless another is asked for."""
    table = {"listen": "127.0.0.1:0", "token": TOKEN, **http}
    table = {key: value for key, value in table.items() if value is not None}
    return Config.from_mapping({"node_id": "here", "secret": "s" * 40, "http": table})


@pytest.fixture
def serving() -> Serving:
    """Return what runs a node whose ``[http]`` table has these keys."""

    @asynccontextmanager
    async def run(*, state: State | None = None, **http: Any) -> AsyncIterator[Served]:
        plugin, routes = HttpPlugin(), Routes()
        plugins = [plugin, routes]
        async with Node(config(**http), plugins=plugins, state=state or MemoryState()) as node:
            yield Served(node, plugin, routes)

    return run
