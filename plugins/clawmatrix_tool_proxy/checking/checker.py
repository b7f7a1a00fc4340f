"""Processes that look at arguments by schemas of others, each for a bounded time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.checking import child
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.tool import Arguments

__all__ = ["CHECK", "Checker"]

CHECK = Bound(
    1000,
    "milliseconds that looking at the arguments of one call by a schema may take",
    fed_by="a member",
    when_full="the process that looks is killed, and the call is refused",
)
PROCESSES: Final = 4
"""Processes that look at a time; further calls wait for one."""
_START: Final = 20.0


class _Gone(Exception):
    """A process that looks at arguments is gone."""


class _Late(Exception):
    """A process that looks at arguments takes too long."""


class Checker:
    """Looks at arguments by schemas; an ``async with`` block, at whose end its processes end."""

    def __init__(self, limit: float = CHECK / 1000) -> None:
        self._limit = limit
        self._spare: list[_Process] = []
        self._limiter: anyio.CapacityLimiter | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        while self._spare:
            await anyio.to_thread.run_sync(self._spare.pop().end)

    async def check(self, schema: Arguments, arguments: Arguments) -> Arguments:
        """Return the arguments with the defaults of the schema filled in.

        Raises: ToolError ``bad_arguments`` where they do not fit, or take too long; ``bad_schema``
            where the schema is none.
        """
        if self._limiter is None:  # its event loop is known now
            self._limiter = anyio.CapacityLimiter(PROCESSES)
        try:
            question = msgspec.json.encode([schema, arguments])
        except (TypeError, ValueError) as error:
            raise ToolError(str(error), "bad_arguments") from None
        answer = await anyio.to_thread.run_sync(self._ask, question, limiter=self._limiter)
        match answer:
            case {"arguments": dict(filled)}:
                return filled
            case {"error": str(words)}:
                raise ToolError(words, "bad_arguments")
            case {"late": True}:
                words = "the arguments could not be looked at in time"
                raise ToolError(words, "bad_arguments")
        raise ToolError("the schema of the tool cannot be used", "bad_schema")

    def _ask(self, question: bytes) -> JSON:
        """Ask a process, in a worker thread."""
        try:
            while self._spare:
                try:
                    return self._asked(self._spare.pop(), question)
                except _Gone:
                    continue  # it went while nobody asked it anything
            return self._asked(_Process(self._limit), question)
        except _Late:
            return {"late": True}
        except _Gone as error:
            return {"schema": str(error)}

    def _asked(self, process: _Process, question: bytes) -> JSON:
        try:
            answer = process.ask(question)
        except BaseException:
            process.end()
            raise
        if self._spare or self._closed:
            process.end()
        else:
            self._spare.append(process)
        return answer


class _Process:
    """One process, and the socket to it."""

    def __init__(self, limit: float) -> None:
        """Start it. Raises: _Gone, where that is not possible."""
        self._limit = limit
        own, its = socket.socketpair()
        self._sock = own
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(child.__file__), _folder(), str(limit)],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath},
                start_new_session=True,
            )
        own.settimeout(_START)
        try:
            ready = own.recv(1)
        except OSError:
            ready = b""
        if not ready:
            self.end()
            raise _Gone("the process that looks at arguments does not start")

    def ask(self, question: bytes) -> JSON:
        """Return the answer. Raises: _Late, _Gone."""
        until = time.monotonic() + self._limit
        try:
            self._sock.settimeout(self._limit)
            self._sock.sendall(len(question).to_bytes(4, "big") + question)
            size = int.from_bytes(self._exactly(4, until), "big")
            answer: JSON = msgspec.json.decode(self._exactly(size, until))
        except TimeoutError:
            raise _Late from None
        except OSError as error:
            raise _Gone(str(error)) from None
        return answer

    def _exactly(self, size: int, until: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._sock.settimeout(max(0.001, until - time.monotonic()))
            part = self._sock.recv(min(size - len(data), 1024**2))
            if not part:
                raise _Gone("the process that looks at arguments ended")
            data += part
        return bytes(data)

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self._sock.close()
        self._process.kill()
        self._process.wait()


def _folder() -> str:
    """Return the folder that jsonschema is in. Raises: _Gone."""
    found = find_spec("jsonschema")
    if found is None or found.origin is None:
        raise _Gone("jsonschema is not installed")
    return str(Path(found.origin).parent.parent)
