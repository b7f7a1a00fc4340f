"""A pump in this process between a test, which is the client, and an MCP server of the SDK."""

from __future__ import annotations

import json
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import attrs
import uvicorn

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.stdio.place import Place, Target
from clawmatrix_mcp.stdio.pump import Pump
from tests.plugins.mcp.stdio.sdk_server import sdk_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp

    from tests.plugins.mcp.stdio.sdk_server import Machine

__all__ = ["MODERN", "Client", "checked", "machine_and_client", "pumping", "serving"]

TOKEN = "the token of this test"
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@attrs.define
class Client:
    """The client's end of a pump.

    Attributes:
        told: what the pump said to a person.
        target: where the pump finds the node; an error is raised instead.
    """

    writes: int
    reads: int
    target: Target | Exception
    told: list[str] = attrs.field(factory=list)
    _rest: bytes = b""

    def send(self, message: object) -> None:
        self.send_line(
            json.dumps({"jsonrpc": "2.0", **message} if isinstance(message, dict) else message)
        )

    def send_line(self, line: str) -> None:
        os.write(self.writes, line.encode() + b"\n")

    async def receive(self) -> Any:
        """Return the next message; each is on a line of its own."""
        while b"\n" not in self._rest:
            await anyio.wait_readable(self.reads)
            chunk = os.read(self.reads, 1024 * 1024)
            if not chunk:
                raise EOFError
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    async def ask(self, method: str, params: dict[str, Any] | None = None, id_: object = 1) -> Any:
        """Send a request and return the next message."""
        message = {"id": id_, "method": method}
        self.send(message if params is None else {**message, "params": params})
        return await self.receive()

    async def ask_modern(self, method: str, id_: object = 1, **params: Any) -> Any:
        return await self.ask(method, {**params, "_meta": MODERN}, id_)

    async def initialize(self) -> Any:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        answer = await self.ask("initialize", params, 0)
        self.send({"method": "notifications/initialized"})
        return answer

    def find(self) -> Target:
        if isinstance(self.target, Exception):
            raise self.target
        return self.target

    def close(self) -> None:
        """Close standard input of the pump."""
        if self.writes >= 0:
            os.close(self.writes)
            self.writes = -1


@asynccontextmanager
async def pumping(target: Target | Exception) -> AsyncIterator[Client]:
    """Run a pump that finds the node there; at the end its input closes."""
    (pump_reads, client_writes), (client_reads, pump_writes) = os.pipe(), os.pipe()
    client = Client(client_writes, client_reads, target)
    pump = Pump(
        Place(client.find, client.told.append, patience=0.3),
        client.told.append,
        reads=pump_reads,
        writes=pump_writes,
    )
    try:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pump.run)
                yield client
                client.close()
    finally:
        client.close()
        for descriptor in (client_reads, pump_reads, pump_writes):
            os.close(descriptor)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[Target]:
    """Run an HTTP server with the application; leaving stops it at once."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    with listening:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server._serve, [listening])  # without signal handlers
            await wait_until(lambda: server.started)
            try:
                yield Target(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", TOKEN)
            finally:
                server.should_exit = server.force_exit = True
                for one in server.servers:
                    one.close()
                for connection in list(server.server_state.connections):
                    connection.transport.abort()


def checked(app: ASGIApp, token: str = TOKEN) -> Callable[..., Any]:
    """Return the application behind the check of a token, as the node has it."""

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"]).get(b"authorization") == f"Bearer {token}".encode():
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b'{"error": "token"}'})

    return guarded


@asynccontextmanager
async def machine_and_client(machine: Machine) -> AsyncIterator[Client]:
    """Run a server of the SDK, and a pump before it."""
    async with (
        sdk_server(machine) as app,
        serving(checked(app)) as target,
        pumping(target) as client,
    ):
        yield client
