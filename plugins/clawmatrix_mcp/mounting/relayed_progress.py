"""Progress of a call, passed on to its caller without holding up its server."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

import anyio

from clawmatrix_core import Bound, ExchangeError
from clawmatrix_core.spi import Bell
from clawmatrix_tool_proxy.api import ToolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_tool_proxy.api import ToolCall

__all__ = ["KEPT", "Report", "relayed"]


class Report(Protocol):
    """Takes how much is done, how much there is to do, and words."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


KEPT = Bound(
    16,
    "reports of progress of one call that its caller has not taken yet",
    fed_by="an upstream",
    when_full="the oldest is left out",
)


@asynccontextmanager
async def relayed(call: ToolCall) -> AsyncIterator[Report]:
    """Return what takes reports of progress, and passes them on in their order, as a block."""
    kept: deque[tuple[float, float | None, str | None]] = deque(maxlen=KEPT)
    bell, last, over = Bell(), float("-inf"), False
    failure: ToolError | None = None

    async def take(progress: float, total: float | None, message: str | None) -> None:
        nonlocal last
        if progress > last:  # it grows, says MCP
            last = progress
            kept.append((progress, total, message))
            bell.ring()

    async def pass_on() -> None:
        with suppress(ExchangeError):  # the caller is gone, and the call ends
            while kept or not over:
                while kept:
                    done, total, words = kept.popleft()
                    await call.progress(words or "", done=done, total=total)
                if not over:
                    await bell.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(pass_on)
        try:
            yield take
        except ToolError as error:
            failure = error  # not as one of a group
        over = True
        bell.ring()
    if failure is not None:
        raise failure
