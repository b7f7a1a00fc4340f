"""Mounted servers over pipes, with what this part of the plugin needs of them."""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from clawmatrix_tool_proxy.api import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from clawmatrix_core import JSON

__all__ = ["PipedServer", "PipedServers"]

SCRIPT: Final = str(Path(__file__).with_name("notes_server.py"))


class PipedServer:
    """A server in a process of its own."""

    def __init__(self, name: str, changed: Callable[[], None]) -> None:
        self.name = name
        self._changed = changed
        self._ids = count(1)
        self._waiting: dict[int, tuple[anyio.Event, list[Any]]] = {}
        self.resources: Sequence[JSON] = ()
        self.templates: Sequence[JSON] = ()
        self.prompts: Sequence[JSON] = ()

    async def run(self, ready: anyio.Event) -> None:
        async with (
            await anyio.open_process([sys.executable, "-I", SCRIPT], stderr=None) as self._process,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(self._read, tasks)
            await self._list()
            ready.set()

    async def request(
        self, method: str, params: dict[str, JSON], *, progress: object = None
    ) -> dict[str, JSON]:
        number, came, found = next(self._ids), anyio.Event(), list[Any]()
        self._waiting[number] = came, found
        await self._write({"id": number, "method": method, "params": params})
        try:
            await came.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                told = {"requestId": number}
                await self._write({"method": "notifications/cancelled", "params": told})
            raise
        [message] = found
        if "error" in message:
            error = message["error"]
            raise ToolError(f"{error['message']} ({error['code']})", f"mcp{error['code']}")
        result: dict[str, JSON] = message["result"]
        return result

    async def _list(self) -> None:
        for method, key, name in (
            ("resources/list", "resources", "resources"),
            ("resources/templates/list", "resourceTemplates", "templates"),
            ("prompts/list", "prompts", "prompts"),
        ):
            setattr(self, name, (await self.request(method, {}))[key])
        self._changed()

    async def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def _read(self, tasks: anyio.abc.TaskGroup) -> None:
        assert self._process.stdout is not None
        lines = BufferedByteReceiveStream(self._process.stdout)
        while True:
            message = json.loads(await lines.receive_until(b"\n", 2**28))
            if "id" not in message:
                tasks.start_soon(self._list)
                continue
            came, found = self._waiting.pop(message["id"])
            found.append(message)
            came.set()


class PipedServers:
    """Servers by name; an ``async with`` block."""

    def __init__(self, *names: str) -> None:
        self._calls: list[Callable[[], None]] = []
        self.servers = {name: PipedServer(name, self.changed) for name in names}

    def get(self, name: str) -> PipedServer | None:
        return self.servers.get(name)

    def all(self) -> Sequence[PipedServer]:
        return list(self.servers.values())

    def when_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        self._calls.append(call)
        return lambda: self._calls.remove(call)

    def changed(self) -> None:
        for call in self._calls:
            call()

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        for server in self.servers.values():
            ready = anyio.Event()
            self._tasks.start_soon(server.run, ready)
            await ready.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        for server in self.servers.values():
            server._process.kill()
        return await self._tasks.__aexit__(kind, error, trace)
