"""An application of another framework below a path of the local server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_http.api import HttpRefusal, HttpRoute
from clawmatrix_http.plugin import HttpPlugin
from tests.plugins.http.conftest import TOKEN, config

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from clawmatrix_core.base.json_value import JSON

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

AUTH = {"authorization": f"Bearer {TOKEN}"}


async def tell(request: Request) -> Response:
    return JSONResponse(
        {
            "name": request.path_params.get("name"),
            "method": request.method,
            "root": request.scope["root_path"],
            "path": request.scope["path"],
            "url": request.url_for("tool", name="x").path,
        }
    )


async def breaks(request: Request) -> Response:
    raise ValueError("the secret reason")


def make_app() -> Starlette:
    methods = ["GET", "POST", "DELETE"]
    return Starlette(
        routes=[
            Route("/", tell, methods=methods),
            Route("/tools/{name}", tell, methods=methods, name="tool"),
            Route("/breaks", breaks),
        ]
    )


class Mounts:
    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        return [HttpRoute("/mcp", app=make_app(), errors=_odd, mount=True)]


def _odd(refusal: HttpRefusal) -> JSON:
    return {"odd": [refusal.status, refusal.code]}


def make_client(http: HttpPlugin) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://{http.address}")


def make_node(http: HttpPlugin, mounts: object) -> Node:
    return Node(config(), plugins=[http, mounts], state=MemoryState(), watchdog=False)


async def test_an_application_answers_all_paths_and_methods_below_its_own() -> None:
    http = HttpPlugin()
    async with make_node(http, Mounts()), make_client(http) as client:
        told = (await client.delete("/mcp/tools/a", headers=AUTH)).json()
        assert told == {
            "name": "a",
            "method": "DELETE",
            "root": "/mcp",
            "path": "/mcp/tools/a",
            "url": "/mcp/tools/x",
        }
        at_root = await client.get("/mcp", headers=AUTH, follow_redirects=True)
        assert (at_root.json()["method"], at_root.json()["path"]) == ("GET", "/mcp/")
        lost = await client.get("/mcp/none", headers=AUTH)
        assert (lost.status_code, lost.text) == (404, "Not Found")


async def test_the_guard_stands_before_it_and_speaks_in_its_shape() -> None:
    http = HttpPlugin()
    async with make_node(http, Mounts()), make_client(http) as client:
        refused = await client.post("/mcp/tools/a")
        assert (refused.status_code, refused.json()) == (401, {"odd": [401, "invalid_api_key"]})
        page = await client.get("/mcp", headers={**AUTH, "origin": "http://evil.example"})
        assert page.json() == {"odd": [403, "origin_not_allowed"]}
        named = await client.get("/mcp", headers={**AUTH, "host": "evil.example"})
        assert named.json() == {"odd": [403, "host_not_allowed"]}


async def test_an_application_that_raises_is_a_fault_and_tells_nothing() -> None:
    http = HttpPlugin()
    node = make_node(http, Mounts())
    async with node, make_client(http) as client:
        failed = await client.get("/mcp/breaks", headers=AUTH)
        assert failed.status_code == 500
        assert "secret" not in failed.text
        faults = {info.name: info.faults for info in node.plugins.list() if info.faults}
        assert faults == {"Mounts": 1}


async def test_a_shape_that_raises_is_a_fault_and_the_error_is_plain() -> None:
    def broken(refusal: HttpRefusal) -> JSON:
        raise ValueError("no shape")

    class Broken:
        extends = ("http",)

        @hookimpl
        def register_http_routes(self) -> list[HttpRoute]:
            return [HttpRoute("/x", ("GET",), tell, errors=broken)]

    http = HttpPlugin()
    node = make_node(http, Broken())
    async with node, make_client(http) as client:
        refused = await client.get("/x")
        assert refused.status_code == 401
        assert "a token is needed" in refused.json()["error"]
        [info] = [info for info in node.plugins.list() if info.faults]
        assert info.name == "Broken"
        assert info.last_fault == "the shape of a 401: ValueError: no shape"


async def coo(request: Request) -> Response:
    return JSONResponse("coo")


async def stray(request: Request) -> Response:
    task = asyncio.create_task(asyncio.sleep(100))
    await asyncio.sleep(0)
    task.cancel()
    await task
    raise NotImplementedError


class Pigeons:
    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("/coo", ("GET",), coo),
            HttpRoute("/stray", ("GET",), stray),
            HttpRoute("/loft", app=Starlette(), mount=True),
        ]


async def test_a_route_that_lets_out_a_cancellation_is_a_fault_of_its_plugin() -> None:
    http = HttpPlugin()
    node = make_node(http, Pigeons())
    async with node, make_client(http) as client:
        assert (await client.get("/stray", headers=AUTH)).status_code == 500
        assert (await client.get("/coo", headers=AUTH)).status_code == 200
        [info] = [info for info in node.plugins.list() if info.faults]
        assert (info.name, info.faults) == ("Pigeons", 1)


async def test_the_routes_of_a_plugin_that_is_taken_out_go_with_it() -> None:
    http = HttpPlugin()
    node = make_node(http, Pigeons())
    async with node, make_client(http) as client:
        info = node.plugins.get("Pigeons")
        assert info is not None
        assert (await client.get("/coo", headers=AUTH)).status_code == 200
        node.plugins.fail(info, "the test says so")
        for path in ("/coo", "/loft/a"):
            assert (await client.get(path, headers=AUTH)).status_code == 404
        assert (await client.post("/coo", headers=AUTH)).status_code == 404


async def spell(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the application is told."""
    told = f"{scope['type']} {scope['root_path']} {scope['path']}"
    await Response(told)(scope, receive, send)


class Doors:
    """A plugin with an application for everybody, and one behind the token."""

    extends = ("http",)

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("/open", app=spell, mount=True, public=True),
            HttpRoute("/closed", app=spell, mount=True),
        ]


async def ask_for(http: HttpPlugin, target: str, *headers: str) -> tuple[int, str]:
    """Send a request's target as it is, which a client would tidy up; return status and body."""
    assert http.address is not None
    lines = [f"GET {target} HTTP/1.1", "host: localhost", *headers, "", ""]
    if not any(line.startswith("connection") for line in headers):
        lines.insert(2, "connection: close")
    received = b""
    async with await anyio.connect_tcp(http.address.host, http.address.port) as stream:
        await stream.send("\r\n".join(lines).encode())
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                received += await stream.receive()
    head, _, body = received.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    "target",
    [
        "/closed",
        "/closed//x",
        "//closed/x",
        "/%63losed/x",
        "/%2fclosed",
        "/closed%2fx",
        "/./closed/x",
        "/x/../closed",
        "/closed%00",
        "/closed;/x",
        "/open%00/x",
        "/open\\..\\closed",
        "/open%3f/closed",
        "/CLOSED/x",
        "http://localhost/closed/x",
        "*",
    ],
)
async def test_no_way_of_writing_a_path_gets_around_the_token(target: str) -> None:
    http = HttpPlugin()
    async with make_node(http, Doors()):
        status, body = await ask_for(http, target)
    assert status == 401
    assert "a token is needed" in body


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/open/../closed/x", "/open/../closed/x"),
        ("/open/%2e%2e/closed/x", "/open/../closed/x"),
        ("/open%2f..%2fclosed", "/open/../closed"),
        ("/open//closed", "/open//closed"),
        ("/open?/closed", "/open"),
    ],
)
async def test_a_path_below_an_open_mount_reaches_no_other(target: str, path: str) -> None:
    http = HttpPlugin()
    async with make_node(http, Doors()):
        assert await ask_for(http, target) == (200, f"http /open {path}")


async def test_a_mount_gets_no_web_socket_and_no_lifespan() -> None:
    upgrade = [
        "connection: upgrade, close",
        "upgrade: websocket",
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-version: 13",
    ]
    http = HttpPlugin()
    node = make_node(http, Doors())
    async with node:
        status, _ = await ask_for(http, "/closed", *upgrade)
        told = await ask_for(http, "/closed", *upgrade, f"x-api-key: {TOKEN}")
    assert (status, told) == (401, (200, "http /closed /closed"))
    assert not any(info.faults for info in node.plugins.list())
