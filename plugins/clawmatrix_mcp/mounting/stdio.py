"""A server that speaks over its input and output: one message a line."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

from clawmatrix_mcp.mounting.lines import Lines, Words
from clawmatrix_mcp.mounting.metering import ServerFailed, check_values
from clawmatrix_mcp.mounting.streams import Streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_mcp.mounting.metering import Meter
    from clawmatrix_tool_proxy.api import GuardedProcess

__all__ = ["over_stdio"]

_WRITING: Final = 30.0
"""Seconds that a server may leave what is sent to it unread."""
_HEAD: Final = 1024
"""Bytes of a line that show whether it was meant as a message."""
_ENDING: Final = 1.0
"""Seconds in which a server that closed a pipe is seen to end."""


@asynccontextmanager
async def over_stdio(
    process: GuardedProcess, meter: Meter, log: Callable[[str], None]
) -> AsyncIterator[Streams]:
    """Carry messages between a process and the streams of a client, as a block.

    Args:
        process: the server.
        meter: counts what it sends.
        log: takes lines of its error output.

    Raises: a group with ProcessEnded, where it has ended; ServerFailed, where it did what it must
        not. Either ends what the block does.
    """
    streams = Streams(meter)
    async with anyio.create_task_group() as group:
        group.start_soon(process.ended)
        group.start_soon(_carry_errors, process, meter, log)
        group.start_soon(_carry_out, process, meter, streams)
        group.start_soon(_carry_in, process, streams)
        try:
            yield streams
        finally:
            streams.close()
            group.cancel_scope.cancel()


async def _carry_errors(process: GuardedProcess, meter: Meter, log: Callable[[str], None]) -> None:
    words = Words()
    while data := await process.read_errors():
        for line in words.feed(data):
            log(line)
        await anyio.sleep(meter.errors(len(data)))
    for line in words.rest():
        log(line)


async def _carry_out(process: GuardedProcess, meter: Meter, streams: Streams) -> None:
    lines = Lines()
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # the client leaves
        while data := await process.read():
            for line in lines.feed(data):
                await streams.came(_message(line), check_values(line))
            await anyio.sleep(meter.bytes(len(data)))  # also where there is nothing in it
        await _say_how_it_ended(process, "it closed its output")


async def _carry_in(process: GuardedProcess, streams: Streams) -> None:
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError):  # the client leaves
        while True:
            item = await streams.next_to_send()
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            await _send(process, text.encode() + b"\n")


async def _send(process: GuardedProcess, line: bytes) -> None:
    with anyio.move_on_after(_WRITING):
        try:
            await process.write(line)
        except OSError:
            await _say_how_it_ended(process, "it closed its input")
        return
    raise ServerFailed(f"it did not read what was sent to it for {_WRITING:g} s")


async def _say_how_it_ended(process: GuardedProcess, otherwise: str) -> NoReturn:
    """Raises: ProcessEnded, where it has just ended; ServerFailed, where it has not."""
    with anyio.move_on_after(_ENDING):
        await process.ended()
    raise ServerFailed(otherwise)


def _message(line: bytes) -> SessionMessage | Exception:
    """Return the message of a line. Raises: ServerFailed, where an answer may be lost with it."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError as error:
        if b'"jsonrpc"' in line[:_HEAD] and error.errors()[0]["type"] == "json_invalid":
            raise ServerFailed("it sent a message that cannot be read") from None
        return ValueError("a line that is no message")
