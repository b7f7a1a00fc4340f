"""Control methods whose code is imported when one of them is first called."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from clawmatrix_core.loading.contributions import ControlMethod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    from clawmatrix_core.base.json_value import JSON

__all__ = ["methods_later"]

Load: TypeAlias = "Callable[[], Awaitable[Sequence[ControlMethod]]]"


def methods_later(
    load: Load,
    calls: Collection[str],
    streams: Collection[str] = (),
) -> list[ControlMethod]:
    """Return methods that stand for those which ``load`` returns.

    Args:
        load: called at each use; it may import in a worker thread, and keep what it made.
        calls: the names of those with a ``call``.
        streams: the names of those with a ``stream``.
    """
    return [
        *(ControlMethod(name, call=partial(_call, load, name)) for name in calls),
        *(ControlMethod(name, stream=partial(_stream, load, name)) for name in streams),
    ]


async def _found(load: Load, name: str) -> ControlMethod:
    return next(method for method in await load() if method.name == name)


async def _call(load: Load, name: str, params: dict[str, JSON]) -> JSON:
    call = (await _found(load, name)).call
    assert call is not None
    return await call(params)


async def _stream(load: Load, name: str, params: dict[str, JSON]) -> AsyncIterator[JSON]:
    stream = (await _found(load, name)).stream
    assert stream is not None
    items = stream(params)
    async with AsyncExitStack() as stack:
        if isinstance(items, _Closes):  # what it holds is given back in the task that held it
            stack.push_async_callback(items.aclose)
        async for item in items:
            yield item


@runtime_checkable
class _Closes(Protocol):
    async def aclose(self) -> None: ...
