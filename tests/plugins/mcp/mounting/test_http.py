"""Servers at an address, good and hostile."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import Progress, call_tool
from tests.plugins.mcp.mounting.nodes import SDK, mounting, plain, served, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.mcp.mounting.nodes import Mounting

pytestmark = [pytest.mark.anyio]

STEPS = [Progress(f"step {done}", done=float(done), total=3.0) for done in (1, 2, 3)]


async def check_all(nodes: Mounting) -> None:
    """Check calls, images, progress, cancelling, resources and prompts of the SDK's server."""
    await nodes.ready("sdk")
    server = nodes.server("sdk")
    assert server.protocol == "2026-07-28"
    assert (await nodes.call("sdk_add", a=1))["structuredContent"] == {"result": 3}
    (picture,) = (await nodes.call("sdk_picture"))["content"]
    assert picture == {"data": "iVBORw==", "mimeType": "image/png", "type": "image"}
    assert await nodes.progress_of("sdk_steps") == STEPS
    assert [one["uri"] for one in server.resources] == ["notes://today"]
    assert [one["name"] for one in server.prompts] == ["greet"]
    async with call_tool(nodes.home, "office", "sdk_wait", {}) as call:
        await anext(aiter(call))

    async def cancelled() -> bool:
        found = await nodes.call("sdk_seen")
        return bool(found["structuredContent"]["result"] == ["cancelled"])

    with anyio.fail_after(5):
        while not await cancelled():
            pass


@pytest.mark.both_loops
@pytest.mark.filterwarnings(  # the SDK leaves generators of bodies unread to trio
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
async def test_a_server_of_the_official_sdk_is_mounted_over_http(
    node_factory: NodeFactory,
) -> None:
    with served("a-secret-token") as url:
        table = {"url": url, "headers": {"Authorization": "Bearer a-secret-token"}}
        async with mounting(node_factory, {"sdk": table}) as nodes:
            await check_all(nodes)


async def test_a_server_of_the_official_sdk_is_mounted_over_stdio(
    node_factory: NodeFactory,
) -> None:
    table = {"command": sys.executable, "args": [SDK, "stdio"], "confine": False}
    async with mounting(node_factory, {"sdk": table}) as nodes:
        await check_all(nodes)


async def test_a_server_that_answers_in_json_and_wants_a_token(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    with served("json", "a-secret-token") as url:
        servers = {
            "good": {"url": url, "headers": {"Authorization": "Bearer a-secret-token"}},
            "bad": {"url": url, "headers": {"Authorization": "Bearer another-token"}},
        }
        async with mounting(node_factory, servers) as nodes:
            await nodes.ready("good")
            assert (await nodes.call("good_add", a=1))["structuredContent"] == {"result": 3}
            bad = nodes.server("bad")
            await wait_until(lambda: bad.state.why)
            assert "HTTP status 401" in bad.state.why
    assert "token" not in caplog.text


async def test_a_server_that_goes_is_tried_until_it_is_back(node_factory: NodeFactory) -> None:
    with serving(answer_as_it_should) as url:
        async with mounting(node_factory, {"http": {"url": url}}) as nodes:
            await nodes.ready("http")
            assert value_of(await nodes.call("http_echo")) == "good"
            state["down"] = True
            assert await nodes.code_of("http_echo") == "server_lost"
            state["down"] = False
            assert value_of(await nodes.call("http_echo")) == "good"


async def test_a_session_that_was_forgotten_is_begun_again(node_factory: NodeFactory) -> None:
    with serving(answer_as_it_should) as url:
        async with mounting(node_factory, {"http": {"url": url}}) as nodes:
            await nodes.ready("http")
            state["session"] = "another"
            assert await nodes.code_of("http_echo") == "server_lost"
            assert value_of(await nodes.call("http_echo")) == "good"
        await wait_until(lambda: state.get("deleted") == "another")


async def test_arguments_that_a_server_wants_as_headers_are_sent_so(
    node_factory: NodeFactory,
) -> None:
    with serving(answer_with_a_header) as url:
        async with mounting(node_factory, {"http": {"url": url}}) as nodes:
            await nodes.ready("http")
            assert nodes.server("http").protocol == "2026-07-28"
            assert value_of(await nodes.call("http_echo", place="Oslo")) == "Oslo"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("body", "more than 16777216 bytes"),
        ("event", "more than 16777216 bytes"),
        ("values", "more than 131072 values"),
        ("many events", "more than 131072 values"),
        ("packed", "a compressed body"),
        ("elsewhere", "not followed"),
        ("garbage", "it refused"),
        ("nothing", "it refused"),
    ],
)
async def test_a_hostile_address_is_named(node_factory: NodeFactory, name: str, words: str) -> None:
    with serving(HOSTILE[name]) as url:
        servers = {"evil": {"url": url, "start_timeout": 5}, "good": plain()}
        async with mounting(node_factory, servers) as nodes:
            await nodes.ready("good")
            await wait_until(lambda: nodes.server("evil").state.why)
            assert words in nodes.server("evil").state.why
            assert value_of(await nodes.call("good_echo", value=1)) == 1
    assert "followed" not in state


state: dict[str, Any] = {}


class Handler(BaseHTTPRequestHandler):
    """Hands requests to a function of a test."""

    answer: Callable[[Handler, dict[str, Any]], None]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        type(self).answer(self, json.loads(self.rfile.read(size)))

    def do_GET(self) -> None:
        state["followed"] = self.path == "/elsewhere" or state.get("followed")
        state.pop("followed") if not state["followed"] else None
        self.reply(405)

    def do_DELETE(self) -> None:
        state["deleted"] = self.headers["mcp-session-id"]
        self.reply(200)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(answer: Callable[[Handler, dict[str, Any]], None]) -> Iterator[str]:
    """Run a server in threads, and return its address."""
    state.clear()
    handler = type("OneHandler", (Handler,), {"answer": answer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer_as_it_should(handler: Handler, asked: dict[str, Any]) -> None:
    """Speak the version 2025-06-18 with sessions, unless the server is down."""
    method, session = asked["method"], state.setdefault("session", "one")
    if state.get("down"):
        handler.close_connection = True
        return
    if method != "initialize" and handler.headers.get("mcp-session-id", session) != session:
        handler.reply(404)
        return
    if "id" not in asked:
        handler.reply(202)
        return
    results: dict[str, Any] = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "raw", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": '"good"'}]},
    }
    if method not in results:
        error = {"code": -32601, "message": "Method not found"}
        told = {"jsonrpc": "2.0", "id": asked["id"], "error": error}
    else:
        told = {"jsonrpc": "2.0", "id": asked["id"], "result": results[method]}
    handler.reply(
        200, json.dumps(told).encode(), content_type="application/json", mcp_session_id=session
    )


def answer_with_a_header(handler: Handler, asked: dict[str, Any]) -> None:
    """Speak the version 2026-07-28; a call gives what stands in a header of its request."""
    whole = {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
    place = {"type": "string", "x-mcp-header": "Place"}
    tool = {"name": "echo", "inputSchema": {"type": "object", "properties": {"place": place}}}
    seen = json.dumps(handler.headers.get("mcp-param-place"))
    ways = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    results: dict[str, Any] = {
        "server/discover": {**ways, **whole},
        "tools/list": {"tools": [tool], **whole},
        "tools/call": {"content": [{"type": "text", "text": seen}], "resultType": "complete"},
    }
    told = {"jsonrpc": "2.0", "id": asked["id"], "result": results[asked["method"]]}
    handler.reply(200, json.dumps(told).encode(), content_type="application/json")


def endless(kind: str, part: bytes) -> Callable[[Handler, dict[str, Any]], None]:
    """Return what answers without an end."""

    def answer(handler: Handler, _: object) -> None:
        handler.reply(200, content_type=kind, content_length=str(2**30))
        handler.wfile.write(b'data: {"jsonrpc":"2.0"')
        try:
            while True:
                handler.wfile.write(part)
        except OSError:
            handler.close_connection = True

    return answer


def values(handler: Handler, asked: dict[str, Any]) -> None:
    """Answer with too many values."""
    told = {"jsonrpc": "2.0", "id": asked["id"], "result": {"x": [[]] * 200_000}}
    handler.reply(200, json.dumps(told).encode(), content_type="application/json")


def packed(handler: Handler, _: object) -> None:
    """Answer with a body that would become large."""
    handler.reply(200, b"x", content_type="application/json", content_encoding="gzip")


def elsewhere(handler: Handler, _: object) -> None:
    """Send the request to another host."""
    handler.reply(307, location="http://127.0.0.2:1/elsewhere")


def garbage(handler: Handler, _: object) -> None:
    """Answer with what is no JSON."""
    handler.reply(200, b"<html>", content_type="application/json")


def nothing(handler: Handler, _: object) -> None:
    """Take a request for a notice."""
    handler.reply(202)


HOSTILE = {
    "body": endless("application/json", b"x" * 65536),
    "event": endless("text/event-stream", b"x" * 65536),
    "values": values,
    "many events": endless("text/event-stream", b"data: " + b"[" * 200_000 + b"\n\r\n"),
    "packed": packed,
    "elsewhere": elsewhere,
    "garbage": garbage,
    "nothing": nothing,
}
