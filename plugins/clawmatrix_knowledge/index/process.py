"""The document's process, as the node sees it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from clawmatrix_knowledge.index.backend import (
    BackendLost,
    read_reply,
    seconds_for,
    write_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import Process

    from clawmatrix_knowledge.index.words import Reply, Request

__all__ = ["DocumentProcess", "child_command"]

_HEAD: Final = 8
_REPLY: Final = 1024**3
_AT_ONCE: Final = 1024**2
_ENDED: Final = (
    OSError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
)
_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from clawmatrix_knowledge.index.child import main; main()"
)


def child_command(python: Sequence[str] | None = None) -> list[str]:
    """Return the command of the process; it runs on this Python, unless another one is given."""
    here = Path(__file__).resolve().parents[2]
    return [*(python or [sys.executable]), "-I", "-c", _PROGRAM, str(here)]


class DocumentProcess:
    """Starts the process, gives it requests, and kills it where it takes too long.

    Args:
        command: starts it.
        limit: returns how many seconds a request may take, given its size and the document's.
    """

    def __init__(
        self, command: Sequence[str], limit: Callable[[int, int], float] = seconds_for
    ) -> None:
        self._command, self._limit = list(command), limit
        self._process: Process | None = None
        self._known = 0

    async def ask(self, request: Request) -> Reply:
        """See Backend. It goes on when it is cancelled: half a reply would be of no use."""
        data = write_request(request)
        self._known = max(self._known, len(data))
        limit = self._limit(len(data), self._known)
        with anyio.CancelScope(shield=True):
            try:
                with anyio.fail_after(limit):
                    reply = await self._asked(data)
            except TimeoutError:
                await self._kill()
                raise BackendLost(f"the index took over {limit:.0f} s, and was stopped") from None
            except _ENDED:
                await self._kill()
                raise BackendLost("the process of the index ended") from None
        self._known = max(self._known, len(reply))
        return read_reply(reply)

    async def restart(self) -> None:
        """See Backend."""
        with anyio.CancelScope(shield=True):
            await self._kill()
            self._process = await anyio.open_process(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._known = 0

    async def close(self) -> None:
        """See Backend."""
        with anyio.CancelScope(shield=True):
            await self._kill()

    async def _asked(self, data: bytes) -> bytes:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise BackendLost("the process of the index does not run")
        await process.stdin.send(len(data).to_bytes(_HEAD, "big") + data)
        size = int.from_bytes(await _read(process, _HEAD), "big")
        if size > _REPLY:
            raise BackendLost("the process of the index answers too much")
        return await _read(process, size)

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.aclose()


async def _read(process: Process, size: int) -> bytes:
    assert process.stdout is not None
    parts = bytearray()
    while len(parts) < size:
        parts += await process.stdout.receive(min(size - len(parts), _AT_ONCE))
    return bytes(parts)
