"""What clients open is bounded, and whoever opens too much hurts no other client."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import Bound
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.offering import endpoint, server
from clawmatrix_mcp.offering.endpoint import Endpoint
from clawmatrix_mcp.offering.sessions import IDLE, Sessions
from tests.plugins.mcp.offering.nodes import (
    ACCEPT,
    Era,
    Raw,
    client_of,
    http_of,
    mesh,
    rpc,
    text_of,
)

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio
MODERN: Era = "2026-07-28"


def few(number: int) -> Bound:
    return Bound(number, "things", fed_by="a client", when_full="one more is refused")


async def status(found: Any) -> Any:
    sections = {one.name: one for one in found.home.status_sections()}
    return await sections["mcp"].value()


@pytest.mark.bound("clawmatrix_mcp.offering.sessions.SESSIONS")
async def test_a_client_that_opens_sessions_without_end_loses_its_own(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sessions, "most", few(8))
    async with mesh(node_factory) as found, http_of(found.home) as http:
        async with client_of(found.home, "legacy") as good:
            await good.list_tools()
            opened = [await Raw.open(http) for _ in range(30)]
            assert text_of(await good.call_tool("office__echo", {"value": "on"})) == "on"
            told = await status(found)
            assert told["sessions"] <= 8
            assert told["sessionsEnded"] >= 30 - 8
            assert (await opened[0].ask("tools/list", {})).status_code == 404
            assert (await opened[-1].ask("tools/list", {})).status_code == 200
        deleted = await http.delete("/mcp", headers=opened[-1].headers)
        assert deleted.status_code == 200
        assert (await opened[-1].ask("tools/list", {})).status_code == 404


async def test_sessions_that_only_listen_keep_nobody_out(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sessions, "most", few(4))
    async with (
        mesh(node_factory) as found,
        http_of(found.home) as http,
        client_of(found.home, "legacy") as good,
        anyio.create_task_group() as tasks,
    ):
        await good.list_tools()

        async def listen(session: Raw) -> None:
            await http.get("/mcp", headers=session.headers)

        for _ in range(12):
            tasks.start_soon(listen, await Raw.open(http))
        assert text_of(await good.call_tool("office__echo", {"value": "on"})) == "on"
        async with client_of(found.home, "legacy") as late:
            assert text_of(await late.call_tool("office__echo", {"value": "too"})) == "too"
        tasks.cancel_scope.cancel()


async def test_where_no_session_is_idle_one_more_is_refused(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sessions, "most", few(1))
    async with (
        mesh(node_factory) as found,
        http_of(found.home) as http,
        anyio.create_task_group() as tasks,
    ):
        first = await Raw.open(http)
        call = {"name": "office__wait", "arguments": {}}
        tasks.start_soon(first.ask, "tools/call", call)
        with anyio.fail_after(5):
            await found.shop.open.wait()
        about = {"name": "raw", "version": "1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about}
        answer = await http.post("/mcp", json=rpc("initialize", params), headers=ACCEPT)
        assert answer.status_code == 503
        assert "1 sessions are in use" in answer.json()["error"]["message"]
        tasks.cancel_scope.cancel()


def test_an_old_session_is_not_counted_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(anyio, "current_time", lambda: now[0])
    sessions = Sessions()
    sessions.opened("one")
    now[0] = IDLE / 2
    sessions.opened("two")
    with sessions.used("one", asks=True):
        assert sessions.idlest() == "two"
        assert sessions.quiet() == ["two"]
        now[0] = IDLE * 2
        assert len(sessions) == 1
    assert sessions.idlest() == "one"
    sessions.opened("three")
    with sessions.used("three", asks=False), sessions.used("one", asks=True):
        assert sessions.idlest() == "three"
    with sessions.used("one", asks=True), sessions.used("one", asks=False):
        pass
    sessions.opened("four")
    for _ in range(3):
        with sessions.used("four", asks=True):
            pass
    with sessions.used("one", asks=False), sessions.used("three", asks=False):
        assert sessions.idlest() == "three"
        sessions.gone("three")
        assert sessions.idlest() == "four"
        sessions.gone("four")
    sessions.gone("one")
    assert sessions.idlest() is None


@pytest.mark.bound("clawmatrix_mcp.offering.endpoint.REQUESTS")
async def test_too_many_requests_at_a_time_are_refused(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "REQUESTS", few(1))
    async with (
        mesh(node_factory) as found,
        http_of(found.home) as http,
        anyio.create_task_group() as tasks,
    ):
        session = await Raw.open(http)
        tasks.start_soon(session.ask, "tools/call", {"name": "office__wait", "arguments": {}})
        with anyio.fail_after(5):
            await found.shop.open.wait()
        answer = await session.ask("tools/list", {})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        tasks.cancel_scope.cancel()


@pytest.mark.bound("clawmatrix_mcp.offering.server.SUBSCRIPTIONS")
async def test_too_many_that_listen_are_refused(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await anyio.to_thread.run_sync(lambda: server)
    monkeypatch.setattr(server, "SUBSCRIPTIONS", few(1))
    async with mesh(node_factory) as found, client_of(found.home, MODERN) as client:
        async with client.listen(tools_list_changed=True):
            assert (await status(found))["listening"] == 1
            with pytest.raises(Exception, match=r"limit|ended|closed|listen"):
                async with client.listen(tools_list_changed=True):
                    pass
        with anyio.fail_after(5):
            while (await status(found))["listening"]:  # noqa: ASYNC110
                await anyio.sleep(0.01)


@pytest.mark.bound("clawmatrix_mcp.offering.server.BODY")
async def test_a_message_that_is_too_large_is_refused(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY", few(10_000))
    async with mesh(node_factory) as found, http_of(found.home) as http:
        session = await Raw.open(http)
        arguments = {"value": "x" * 10_000}
        call = {"name": "office__echo", "arguments": arguments}
        assert (await session.ask("tools/call", call)).status_code == 413
        assert found.shop.began == []


@pytest.mark.bound("clawmatrix_mcp.offering.bodies.VALUES")
async def test_a_message_of_too_many_values_is_not_decoded(node_factory: NodeFactory) -> None:
    async with (
        mesh(node_factory) as found,
        http_of(found.home) as http,
        client_of(found.home, "legacy") as good,
    ):
        await good.list_tools()
        many = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":[%s1]}}'
        for headers in (ACCEPT, {**ACCEPT, "mcp-protocol-version": MODERN}):
            began = anyio.current_time()
            answer = await http.post("/mcp", content=many % (b"[]," * 1_500_000), headers=headers)
            assert answer.status_code == 413
            assert "131,072 values" in answer.json()["error"]["message"]
            assert anyio.current_time() - began < 2  # decoding it takes longer
        text = {"name": "office__echo", "arguments": {"value": "[,{" * 200_000}}
        session = await Raw.open(http)  # in a text they are no values
        assert "isError" in (await session.ask("tools/call", text)).text
        assert text_of(await good.call_tool("office__echo", {"value": "on"})) == "on"


async def test_a_node_stops_at_once_while_clients_listen(node_factory: NodeFactory) -> None:
    async with (
        mesh(node_factory) as found,
        http_of(found.home) as http,
        client_of(found.home, MODERN) as client,
        client.listen(tools_list_changed=True),
        anyio.create_task_group() as tasks,
    ):
        session = await Raw.open(http)
        ended = anyio.Event()

        async def hear() -> None:
            await http.get("/mcp", headers=session.headers)
            ended.set()

        tasks.start_soon(hear)
        await wait_until(lambda: _endpoint(found).requests == 2)
        with anyio.fail_after(3):
            await _endpoint(found).close()
            await ended.wait()


def _endpoint(found: Any) -> Endpoint:
    made = found.mcp._offering._endpoint
    assert isinstance(made, Endpoint)
    return made


async def test_a_session_that_is_deleted_ends_its_calls(node_factory: NodeFactory) -> None:
    async with (
        mesh(node_factory) as found,
        http_of(found.home) as http,
        anyio.create_task_group() as tasks,
    ):
        session = await Raw.open(http)
        tasks.start_soon(session.ask, "tools/call", {"name": "office__wait", "arguments": {}})
        with anyio.fail_after(5):
            await found.shop.open.wait()
            await http.delete("/mcp", headers=session.headers)
            await wait_until(lambda: found.shop.stopped == 1)
        tasks.cancel_scope.cancel()


async def test_without_the_sdk_clients_are_told_so(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "SERVER", "clawmatrix_mcp.offering.no_such")
    async with mesh(node_factory) as found, http_of(found.home) as http:
        answer = await http.post("/mcp", json={}, headers=ACCEPT)
        assert answer.status_code == 503
        assert "not installed" in answer.json()["error"]["message"]


async def test_what_is_no_token_is_refused_as_mcp_understands_it(
    node_factory: NodeFactory,
) -> None:
    async with mesh(node_factory) as found, http_of(found.home) as http:
        answer = await http.post("/mcp", json={}, headers={"authorization": "Bearer no"})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == -32000


_FRESH = """
import sys, anyio
import clawmatrix_core as core
from clawmatrix_core.testing.fixtures import MemoryState

async def main():
    table = {"node_id": "a", "secret": "s" * 40, "http": {"listen": "127.0.0.1:0"}}
    plugins = ["http", "grants", "tool-proxy", "mcp"]
    async with core.Node(core.Config.from_mapping(table), plugins=plugins, state=MemoryState()):
        heavy = {"mcp", "mcp_types", "pydantic", "jsonschema", "sse_starlette"}
        print(sorted(heavy & set(sys.modules)))

anyio.run(main)
"""


def test_a_node_whose_mcp_nobody_uses_has_not_imported_the_sdk() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _FRESH], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.strip() == "[]"
