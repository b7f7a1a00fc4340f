"""The server, asked over real sockets."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import pytest

from clawmatrix_core.base.errors import StartError
from clawmatrix_core.config.config import Config, HostPort
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_http.plugin import HttpPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.plugins.http.conftest import Served, Serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The server needs asyncio."""
    return "asyncio", {"use_uvloop": False}


@asynccontextmanager
async def client(served: Served, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client with the right token, unless the headers say otherwise."""
    shown = {"x-api-key": served.http.token, **headers}
    async with httpx2.AsyncClient(base_url=served.url, headers=shown, trust_env=False) as asking:
        yield asking


async def ask_raw(served: Served, request: bytes) -> bytes:
    """Return everything the server sends until it closes."""
    address = served.http.address
    assert address is not None
    received = b""
    async with await anyio.connect_tcp(address.host, address.port) as stream:
        await stream.send(request)
        while True:
            try:
                received += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return received


async def test_health_is_public_and_says_nothing_else(serving: Serving) -> None:
    async with serving() as served, client(served, **{"x-api-key": ""}) as asking:
        answer = await asking.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "server" not in answer.headers
    assert "date" in answer.headers


async def test_a_request_with_the_token_reaches_its_route(serving: Serving) -> None:
    async with serving() as served, client(served) as asking:
        assert (await asking.post("/v1/echo", content=b"body")).content == b"body"
        assert (await asking.get("/things/a/b%20c")).text == "GET a/b c"
        assert (await asking.delete("/things/x")).text == "DELETE x"
        head = await asking.head("/things/x")
        assert (head.status_code, head.content) == (200, b"")
    assert served.faults == []


@pytest.mark.faults_expected
async def test_an_application_answers_behind_the_same_guard(serving: Serving) -> None:
    async with serving() as served, client(served) as asking:
        assert (await asking.get("/v1/app")).text == "an application's own"
        assert (await asking.head("/v1/app")).status_code == 200
        assert (await asking.post("/v1/app")).status_code == 405
        assert (await asking.get("/v1/app", headers={"x-api-key": "x"})).status_code == 401
        raised = await asking.get("/v1/app?raise")
    assert (raised.status_code, raised.json()["error"]["type"]) == (500, "server_error")
    assert [fault for fault in served.faults if fault and "GET /v1/app" in fault]


async def test_without_the_token_every_path_is_401_in_its_shape(serving: Serving) -> None:
    async with serving() as served, client(served, **{"x-api-key": "wrong"}) as asking:
        openai = await asking.post("/v1/echo")
        anthropic = await asking.post("/v1/messages")
        plain = await asking.get("/things/x")
        unknown = await asking.get("/v1/nothing")
    assert {a.status_code for a in (openai, anthropic, plain, unknown)} == {401}
    assert openai.json()["error"]["code"] == "invalid_api_key"
    assert anthropic.json()["error"]["type"] == "authentication_error"
    assert plain.json()["error"].startswith("the token is wrong: send it as a Bearer token")
    assert "`clawmatrix env` prints it" in plain.json()["error"]
    assert "has it in http_access(node).token" in plain.json()["error"]
    assert openai.headers["www-authenticate"] == "Bearer"


async def test_other_hosts_and_origins_are_403_whatever_the_token(serving: Serving) -> None:
    async with serving() as served, client(served) as asking:
        rebound = await asking.get("/healthz", headers={"host": "evil.example:19100"})
        page = await asking.get("/things/x", headers={"origin": "https://evil.example"})
    assert (rebound.status_code, page.status_code) == (403, 403)
    assert "access-control-allow-origin" not in page.headers


async def test_hosts_and_origins_of_the_configuration_are_let_in(serving: Serving) -> None:
    allowed = {"allowed_hosts": ["office.example"], "allowed_origins": ["https://app.example"]}
    async with serving(**allowed) as served, client(served) as asking:
        named = await asking.get("/things/x", headers={"host": "office.example"})
        page = await asking.get("/things/x", headers={"origin": "https://app.example"})
        preflight = await asking.options(
            "/v1/echo", headers={"origin": "https://app.example", "x-api-key": ""}
        )
        other = await asking.options("/v1/echo", headers={"origin": "https://evil.example"})
    assert (named.status_code, page.status_code, other.status_code) == (200, 200, 403)
    assert page.headers["access-control-allow-origin"] == "https://app.example"
    assert preflight.status_code == 204
    assert "authorization" in preflight.headers["access-control-allow-headers"]


async def test_unknown_paths_are_404_and_wrong_methods_405(serving: Serving) -> None:
    async with serving() as served, client(served) as asking:
        unknown = await asking.get("/v1/nothing")
        wrong = await asking.put("/things/x")
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "not_found"
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "DELETE, GET, HEAD"


async def test_a_body_over_the_limit_is_413_by_its_length_and_by_its_bytes(
    serving: Serving,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 250

    async with serving(max_body="1 KiB") as served, client(served) as asking:
        announced = await asking.post("/v1/echo", content=b"x" * 1025)
        streamed = await asking.post("/v1/echo", content=pieces())
        fits = await asking.post("/v1/echo", content=b"x" * 1024)
    assert (announced.status_code, streamed.status_code, fits.status_code) == (413, 413, 200)
    assert announced.json()["error"]["code"] == "request_too_large"
    assert "1024 bytes" in announced.json()["error"]["message"]
    assert served.faults == []


@pytest.mark.faults_expected
async def test_an_endpoint_that_raises_is_500_without_its_reason_and_a_fault(
    serving: Serving,
) -> None:
    async with serving() as served, client(served) as asking:
        answer = await asking.get("/v1/broken")
        assert (await asking.get("/healthz")).status_code == 200
    assert answer.status_code == 500
    assert "secret reason" not in answer.text
    assert answer.json()["error"]["type"] == "server_error"
    assert served.faults == ["GET /v1/broken: ValueError: the secret reason"]


@pytest.mark.faults_expected
async def test_an_answer_that_breaks_midway_does_not_look_whole(serving: Serving) -> None:
    async with serving() as served, client(served) as asking:
        with pytest.raises(httpx2.RemoteProtocolError):
            await asking.get("/v1/breaks")
    assert len(served.faults) == 1


async def test_requests_that_are_no_http_do_not_reach_the_routes(serving: Serving) -> None:
    async with serving() as served:
        garbage = await ask_raw(served, b"\x16\x03\x01 not http at all\r\n\r\n")
        no_host = await ask_raw(served, b"GET /healthz HTTP/1.0\r\n\r\n")
        two_hosts = await ask_raw(
            served,
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil\r\nconnection: close\r\n\r\n",
        )
    assert garbage.startswith(b"HTTP/1.1 400 ")
    assert no_host.startswith(b"HTTP/1.1 403 ")
    assert two_hosts.startswith(b"HTTP/1.1 403 ")


async def test_an_upgrade_to_websocket_is_not_done(serving: Serving) -> None:
    async with serving() as served:
        answer = await ask_raw(
            served,
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
            b"connection: upgrade, close\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"sec-websocket-version: 13\r\n\r\n",
        )
    assert b" 101 " not in answer.split(b"\r\n")[0]


async def leave(served: Served, path: str) -> None:
    """Ask, and close once the endpoint has the request."""
    address = served.http.address
    assert address is not None
    async with await anyio.connect_tcp(address.host, address.port) as stream:
        head = f"GET {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {served.http.token}\r\n\r\n"
        await stream.send(head.encode())
        await served.routes.begun.wait()


async def test_an_endpoint_is_told_that_its_client_has_gone(serving: Serving) -> None:
    async with serving() as served:
        await leave(served, "/waits")
        with anyio.fail_after(5):
            await served.routes.gone.wait()
        served.routes.go_on.set()
    assert served.faults == []


async def test_an_endpoint_that_asks_late_is_told_at_once(serving: Serving) -> None:
    async with serving() as served:
        await leave(served, "/waits/late")
        with anyio.fail_after(5):
            while served.http.server is None or served.http.server.connections:
                await anyio.lowlevel.checkpoint()
        assert not served.routes.gone.is_set()
        served.routes.go_on.set()
        with anyio.fail_after(5):
            await served.routes.gone.wait()


async def test_a_client_that_goes_with_its_whole_answer_is_not_told_of(serving: Serving) -> None:
    async with serving() as served, client(served) as asking:
        served.routes.go_on.set()
        assert (await asking.get("/waits")).text == "answered"
        await asking.aclose()
        assert served.http.server is not None
        with anyio.fail_after(5):
            while served.http.server.connections:
                await anyio.lowlevel.checkpoint()
        assert not served.routes.gone.is_set()


async def test_a_client_that_leaves_within_its_body_is_no_fault(serving: Serving) -> None:
    async with serving() as served:
        address = served.http.address
        assert address is not None
        async with await anyio.connect_tcp(address.host, address.port) as stream:
            head = (
                f"POST /v1/echo HTTP/1.1\r\nhost: localhost\r\nx-api-key: {served.http.token}\r\n"
            )
            await stream.send(head.encode() + b"content-length: 100\r\n\r\nhalf")
        async with client(served) as asking:
            assert (await asking.get("/healthz")).status_code == 200
    assert served.faults == []


async def test_the_token_is_made_once_and_kept(serving: Serving) -> None:
    state = MemoryState()
    async with serving(state=state, token=None) as served:
        token = served.http.token
        assert (token.startswith("cmx-"), len(token)) == (True, 68)
        async with client(served) as asking:
            assert (await asking.get("/things/x")).status_code == 200
    assert state.read("http") == {"token": token}
    async with serving(state=state, token=None) as served:
        assert served.http.token == token


@pytest.mark.faults_expected
async def test_a_damaged_token_file_takes_the_plugin_out_and_says_what_to_do(
    serving: Serving,
) -> None:
    state = MemoryState()
    state.write("http", {"token": ""})
    async with serving(state=state, token=None) as served:
        info = served.node.plugins.get("http")
        assert info is not None
        assert info.state == "failed"
        assert "remove it" in str(info.reason)


async def test_an_address_in_use_stops_the_start_with_words(serving: Serving) -> None:
    async with serving() as served:
        address = str(served.http.address)
        with pytest.raises(StartError) as caught:
            async with serving(listen=address):
                pass
        assert str(caught.value).startswith(
            f"http: cannot listen on {address}: address already in use (set [http] listen"
        )


async def test_a_host_that_does_not_resolve_stops_the_start(serving: Serving) -> None:
    with pytest.raises(StartError, match=r"http: cannot listen on 192\.0\.2\.1:0: "):
        async with serving(listen="192.0.2.1:0"):
            pass


async def test_the_bound_address_is_shown_in_status_and_env(serving: Serving) -> None:
    async with serving() as served:
        address = served.http.address
        assert isinstance(address, HostPort)
        assert address.port != 0
        [section] = served.node.status_sections()
        assert (section.name, section.read()) == (
            "http",
            {"listen": str(address), "refused": {}},
        )
        [method] = served.node.control_methods()
        assert method.call is not None
        found = await method.call({})
        assert found == {"baseUrl": f"http://{address}/v1", "token": served.http.token}
        assert served.http.token not in json.dumps(section.read())


async def test_env_names_an_address_that_can_be_called_when_all_are_bound(
    serving: Serving,
) -> None:
    async with serving(listen="0.0.0.0:0") as served:
        assert served.http.base_url.startswith("http://127.0.0.1:")
        async with client(served) as asking:
            answer = await asking.get(f"{served.http.base_url}/nothing")
        assert answer.status_code == 404


async def test_ipv6_works_where_there_is_any(serving: Serving) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    async with serving(listen="[::1]:0") as served:
        assert served.http.base_url.startswith("http://[::1]:")
        async with client(served) as asking:
            assert (await asking.get("/healthz")).status_code == 200


async def test_no_signal_handler_is_touched(serving: Serving) -> None:
    assert threading.current_thread() is threading.main_thread()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving():
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert before == during == after


async def test_an_answer_under_way_is_finished_when_the_node_stops(serving: Serving) -> None:
    got: list[str] = []

    async def read(served: Served) -> None:
        async with client(served) as asking:
            got.append((await asking.get("/slow")).text)

    async with anyio.create_task_group() as tasks, serving() as served:
        tasks.start_soon(read, served)
        await served.routes.begun.wait()

        async def let_go() -> None:
            while served.http.server is None or not served.http.server.should_exit:
                await anyio.lowlevel.checkpoint()
            served.routes.go_on.set()

        tasks.start_soon(let_go)
    assert got == ["one two"]
    assert served.faults == []


async def test_an_answer_that_takes_too_long_is_cut_when_the_node_stops(
    serving: Serving,
) -> None:
    ends: list[str] = []

    async def read(served: Served) -> None:
        async with client(served) as asking:
            try:
                await asking.get("/slow")
            except httpx2.TransportError as error:
                ends.append(type(error).__name__)

    async with anyio.create_task_group() as tasks, serving(drain="50ms") as served:
        tasks.start_soon(read, served)
        await served.routes.begun.wait()
    assert ends == ["RemoteProtocolError"]


async def test_idle_connections_do_not_hold_up_the_stop(serving: Serving) -> None:
    async with serving(drain="8s") as served, client(served) as asking:
        await asking.get("/healthz")
        assert served.http.server is not None
        assert served.http.server.connections == 1
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served.http.server.drain)
            tasks.start_soon(served.http.server.drain)
        assert anyio.current_time() - began < 4


async def test_nothing_is_listening_once_the_node_has_stopped(serving: Serving) -> None:
    async with serving() as served:
        address = served.http.address
    assert address is not None
    with pytest.raises(OSError, match=r".*"):
        await anyio.connect_tcp(address.host, address.port)


def test_on_trio_the_plugin_is_out_and_the_node_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    plugin = HttpPlugin()

    async def run() -> str | None:
        config = Config.from_mapping({"node_id": "here", "secret": "s" * 40})
        async with Node(config, plugins=[plugin], state=MemoryState()) as node:
            info = node.plugins.get("http")
            assert info is not None
            return info.reason

    reason = anyio.run(run, backend="trio")
    why = "plugin http: the HTTP server needs asyncio; on trio leave the plugin out"
    assert reason == f"did not start: {why}"
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors] == [f"plugin http failed: {reason}"]
    assert errors[0].exc_info is None
