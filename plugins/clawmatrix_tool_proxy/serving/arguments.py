"""The arguments of a call: from its request, or from the bytes behind it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from clawmatrix_tool_proxy.json_marks import VALUE, marks_in
from clawmatrix_tool_proxy.serving.refused import Refused
from clawmatrix_tool_proxy.serving.slots import READING
from clawmatrix_tool_proxy.wire import ARGUMENTS, ToolRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core import Exchange
    from clawmatrix_tool_proxy.serving.caller import Caller
    from clawmatrix_tool_proxy.serving.slots import Slots
    from clawmatrix_tool_proxy.tool import Arguments

__all__ = ["read_arguments", "read_request"]

PATIENCE: Final = 60.0
"""Seconds in which large arguments have to be here: a caller may send none for ever."""


def read_request(ex: Exchange) -> ToolRequest:
    """Return what an exchange asks for. Raises: Refused ``bad_request``."""
    try:
        return msgspec.convert(ex.request, ToolRequest)
    except msgspec.ValidationError as error:
        raise Refused("bad_request", str(error)) from None


@asynccontextmanager
async def read_arguments(
    ex: Exchange, request: ToolRequest, caller: Caller, slots: Slots
) -> AsyncIterator[Arguments]:
    """Give the arguments to the block, which is the rest of the call.

    Raises: Refused ``too_large``, ``bad_arguments`` or ``busy``.
    """
    if request.params is not None or not request.params_bytes:
        yield request.params or {}
        return
    size = request.params_bytes
    if size > ARGUMENTS:
        raise Refused("too_large", f"{size} bytes of arguments; {ARGUMENTS} are taken at most")
    with slots.of_bytes(caller, size):
        data = await _read(ex, size)
        values = VALUE * marks_in(data, size // VALUE)
        if size + values > READING // 2:
            raise Refused("too_large", "the arguments have too many values")
        with slots.of_bytes(caller, values):
            yield _decoded(data)


async def _read(ex: Exchange, size: int) -> bytes:
    with anyio.move_on_after(PATIENCE):
        return await _all_of_it(ex, size)
    raise Refused("bad_request", f"the arguments did not come within {PATIENCE:g} s")


async def _all_of_it(ex: Exchange, size: int) -> bytes:
    data = bytearray()
    async for payload in ex:
        if not isinstance(payload, bytes) or len(data) + len(payload) > size:
            raise Refused("bad_request", "what follows the request is not what it said")
        data += payload
    if len(data) != size:
        raise Refused("bad_request", f"{len(data)} bytes of arguments, not {size}")
    return bytes(data)


def _decoded(data: bytes) -> Arguments:
    try:
        return msgspec.json.decode(data, type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("bad_arguments", f"the arguments are no JSON object: {error}") from None
