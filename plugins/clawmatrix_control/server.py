"""The control socket: one request a connection, from this user's processes only."""

from __future__ import annotations

import os
import socket
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

from clawmatrix_core import Bound, ClawMatrixError, ExchangeFailure, StateError
from clawmatrix_core.spi import (
    ControlRequest,
    answer_line,
    serves_input,
    stray,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
    from pathlib import Path

    from anyio.abc import SocketListener, SocketStream

    from clawmatrix_core import ControlMethod
    from clawmatrix_core.spi import SocketPlace

__all__ = ["CLIENTS", "ControlServer", "open_socket"]

CLIENTS = Bound(
    128,
    "connections to the control socket",
    fed_by="a client",
    when_full="one more is told so and closed",
)
GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


class ControlServer:
    """Answers requests with the methods of the node.

    Args:
        find: returns a method by its name, None where there is none now.
        names: returns the names of all methods, for whoever asked for another one.
        report: is told of a method that failed, and which; of no method where the server did.
        why: returns why a method may be missing, as words to add, or an empty text.
        patience: seconds a client may take to send its request, or to take a line.
        clients: connections at a time; one more is refused.
    """

    def __init__(
        self,
        find: Callable[[str], ControlMethod | None],
        names: Callable[[], Iterable[str]],
        report: Callable[[Exception, str | None], None],
        *,
        why: Callable[[str], str] = lambda _: "",
        patience: float = 30.0,
        clients: int = CLIENTS,
    ) -> None:
        self._find = find
        self._names = names
        self._why = why
        self._report = report
        self._patience = patience
        self._free = clients

    async def serve(self, listener: SocketListener) -> None:
        """Accept connections until cancelled, or until the listener is closed."""
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    stream = await listener.accept()
                except anyio.ClosedResourceError:
                    return
                except anyio.BrokenResourceError:
                    await anyio.sleep(0.1)  # too many open files: some will be closed
                else:
                    tasks.start_soon(self._attend, stream)

    async def _attend(self, stream: SocketStream) -> None:
        self._free -= 1
        try:
            async with stream:
                if self._free < 0:
                    busy = ExchangeFailure("busy", "too many clients")
                    await self._send(stream, answer_line(busy))
                else:
                    await self._answer(stream)
        except GONE:
            pass  # the client left
        except Exception as error:  # noqa: BLE001 - no client may end the server
            self._report(error, None)
        finally:
            self._free += 1

    async def _answer(self, stream: SocketStream) -> None:
        try:
            await self._run(await self._read(stream), stream)
        except ClawMatrixError as error:
            await self._send(stream, answer_line(error))

    async def _read(self, stream: SocketStream) -> ControlRequest:
        lines = BufferedByteReceiveStream(stream)
        try:
            with anyio.fail_after(self._patience):
                text = await lines.receive_until(b"\n", ControlRequest.most)
        except TimeoutError:
            raise ExchangeFailure("timeout", "no request came") from None
        except anyio.DelimiterNotFound:
            raise ExchangeFailure(
                "too_large", f"a request has {ControlRequest.most} bytes at most"
            ) from None
        except anyio.IncompleteRead:
            raise anyio.EndOfStream from None
        return ControlRequest.parse(text)

    @serves_input
    async def _run(self, request: ControlRequest, stream: SocketStream) -> None:
        method = self._find(request.method)
        if method is None or (method.call is None and method.stream is None):
            names = ", ".join(sorted(self._names()))
            raise ExchangeFailure(
                "unknown_method",
                f"no method {request.method!r}{self._why(request.method)}; there are {names}",
            )
        try:
            if method.call is not None:
                answer = answer_line({"result": await method.call(request.params)})
            else:
                answer = await self._stream(method, request, stream)
        except (ClawMatrixError, *GONE):
            raise
        except BaseException as error:  # a method's fault is its plugin's
            if (fault := stray(error)) is None:
                raise
            answer = self._failed(fault, request)
        await self._send(stream, answer)

    def _failed(self, error: Exception, request: ControlRequest) -> bytes:
        self._report(error, request.method)
        told = f"{request.method} failed; the node's log says how"
        return answer_line(ExchangeFailure("internal", told))

    async def _stream(
        self,
        method: ControlMethod,
        request: ControlRequest,
        stream: SocketStream,
    ) -> bytes:
        """Send items until there are no more; return the last line."""
        assert method.stream is not None
        left = False

        async def watch() -> None:
            nonlocal left
            await anyio.wait_readable(stream.extra(SocketAttribute.raw_socket))
            left = True  # or has more to say, which is not its turn
            tasks.cancel_scope.cancel()

        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                async with aclosing(_generator(method.stream(request.params))) as items:
                    async for item in items:
                        await self._send(stream, answer_line({"item": item}))
            except BaseException as error:  # raised again below, not inside a group
                if (failure := stray(error)) is None:
                    raise
            tasks.cancel_scope.cancel()
        if left:
            raise anyio.EndOfStream
        if failure is not None:
            raise failure
        return answer_line({"end": True})

    async def _send(self, stream: SocketStream, data: bytes) -> None:
        """Send a line; a client that takes nothing has left."""
        try:
            with anyio.fail_after(self._patience):
                await stream.send(data)
        except TimeoutError:
            raise anyio.BrokenResourceError from None


async def _generator(items: AsyncIterator[object]) -> AsyncGenerator[object, None]:
    """Yield the items; close what they come from, where that can be closed."""
    try:
        async for item in items:
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


@asynccontextmanager
async def open_socket(place: SocketPlace) -> AsyncIterator[SocketListener]:
    """Listen at a place, and note it in the state folder; both are removed at the end.

    A socket that a dead node left is replaced. Raises: StateError, where a process answers
    on it, or neither can be made.
    """
    path = place.path
    if await anyio.to_thread.run_sync(_answers, path):
        raise StateError(f"another process serves the control socket {path}")
    try:
        place.note()
        listener = await anyio.create_unix_listener(path, mode=0o600, backlog=128)
    except OSError as error:
        raise StateError(f"the control socket {path} cannot be made: {error}") from None
    async with listener:
        own = _inode(path)
        try:
            yield listener
        finally:
            _remove(place, own)


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _remove(place: SocketPlace, own: int) -> None:
    """Remove the socket and its note, unless they are another socket's by now."""
    with suppress(OSError):
        if _inode(place.path) == own:
            place.path.unlink()
            place.remove_note()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True
