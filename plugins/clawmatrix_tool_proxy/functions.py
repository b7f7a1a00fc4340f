"""Tools made of typed Python functions."""

from __future__ import annotations

import inspect
import threading
from functools import partial
from typing import TYPE_CHECKING, Final, overload

import anyio
import msgspec

from clawmatrix_tool_proxy.argument_errors import misfit_words, unknown_words
from clawmatrix_tool_proxy.schemas import Shape, shape_of
from clawmatrix_tool_proxy.tool import Arguments, Run, Tool, ToolCall, ToolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core import JSON

__all__ = ["THREADS", "tool"]

THREADS: Final = 16
"""Threads that the calls of one plain function have at most, those of callers that left too."""


@overload
def tool(
    function: Callable[..., object],
    *,
    name: str | None = None,
    description: str | None = None,
    deadline: float | None = None,
    at_once: int | None = None,
    canonical: Callable[[Arguments], Arguments] | None = None,
    hints: Arguments | None = None,
) -> Tool: ...
@overload
def tool(
    function: None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    deadline: float | None = None,
    at_once: int | None = None,
    canonical: Callable[[Arguments], Arguments] | None = None,
    hints: Arguments | None = None,
) -> Callable[[Callable[..., object]], Tool]: ...
def tool(
    function: Callable[..., object] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    deadline: float | None = None,
    at_once: int | None = None,
    canonical: Callable[[Arguments], Arguments] | None = None,
    hints: Arguments | None = None,
) -> Tool | Callable[[Callable[..., object]], Tool]:
    """Make a tool of a typed function: ``tool(function)``, or ``@tool(at_once=1)`` above it.

    The annotations are the schema of the arguments, which are taken strictly: no text for a number,
    no key that is no parameter. The first part of the docstring is the description, and its
    section ``Args`` those of the arguments. A parameter with the annotation ``ToolCall`` gets the
    call. An ``async`` function runs on the event loop, and a plain one in a worker thread; a plain
    one cannot be stopped, and looks at ``call.ended`` where it takes long.

    Args:
        function: what the tool does; it returns JSON, or what msgspec makes JSON of.
        name: the name of the tool; that of the function unless given.
        description: what it does, in the place of the docstring.
        deadline, at_once, canonical, hints: see Tool.

    Raises: TypeError, where the signature cannot be a schema; ValueError, where the name is none.
    """
    if function is None:
        return partial(
            tool,
            name=name,
            description=description,
            deadline=deadline,
            at_once=at_once,
            canonical=canonical,
            hints=hints,
        )
    shape = shape_of(function)
    return Tool(
        name or str(getattr(function, "__name__", "")),
        shape.description if description is None else description,
        shape.schema,
        _run(function, shape),
        deadline=deadline,
        at_once=at_once,
        canonical=canonical,
        streams=shape.call is not None,
        check=partial(_checked, shape),
        hints=hints or {},
    )


def _checked(shape: Shape, arguments: Arguments) -> Arguments:
    """Return the arguments with the defaults filled in. Raises: ToolError."""
    filled: Arguments = msgspec.to_builtins(_converted(shape, arguments))
    return filled


def _converted(shape: Shape, arguments: Arguments) -> msgspec.Struct:
    unknown = unknown_words(arguments, shape.arguments.__struct_fields__)
    if unknown is not None:  # before those that are missing: one name may be misspelt
        raise ToolError(unknown, "bad_arguments")
    try:
        return msgspec.convert(dict(arguments), shape.arguments)
    except msgspec.ValidationError as error:
        raise ToolError(misfit_words(str(error)), "bad_arguments") from None


def _run(function: Callable[..., object], shape: Shape) -> Run:
    if inspect.iscoroutinefunction(function):
        work: Callable[..., Awaitable[object]] = function
    else:
        work = partial(_in_thread, _Threads(THREADS), function)

    async def run(call: ToolCall, arguments: Arguments) -> JSON:
        converted = _converted(shape, arguments)
        given = {name: getattr(converted, name) for name in converted.__struct_fields__}
        if shape.call is not None:
            given[shape.call] = call
        try:
            return msgspec.to_builtins(await work(**given))
        finally:
            call.end()

    return run


async def _in_thread(threads: _Threads, function: Callable[..., object], **given: object) -> object:
    """Run a plain function in a thread, which outlives a caller that leaves."""
    threads.take()

    def work() -> object:
        try:
            return function(**given)
        finally:
            threads.give_back()

    limiter = anyio.CapacityLimiter(1)  # the threads are counted here, to their real end
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)


class _Threads:
    """Counts the threads of one function."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take one. Raises: ToolError ``busy``."""
        with self._lock:
            if self._free == 0:
                raise ToolError("too many calls of this tool are still running", "busy")
            self._free -= 1

    def give_back(self) -> None:
        with self._lock:
            self._free += 1
