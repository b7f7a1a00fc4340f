"""The trace of hooks: a line in the log for each call of an implementation.

``CLAWMATRIX_LOG=hooks:debug`` switches it on. An implementation is then replaced by one that
measures and logs; without the trace nothing is replaced, and a call costs what it did before.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pluggy

__all__ = ["TracedImpl", "is_tracing", "traced"]

_log = logging.getLogger("clawmatrix.hooks")


class TracedImpl(msgspec.Struct, frozen=True):
    """An implementation whose calls are logged; it has what the dispatcher reads of one."""

    plugin_name: str
    argnames: Sequence[str]
    function: Callable[..., object]


def is_tracing() -> bool:
    """Say whether the component ``hooks`` itself is logged at ``debug``.

    A level for all components does not count: ``-vv`` would log a line for each frame.
    """
    return 0 < _log.level <= logging.DEBUG


def traced(hook: str, impl: pluggy.HookImpl) -> TracedImpl:
    """Return an implementation that does the same and logs each call."""
    wrap = _traced_async if inspect.iscoroutinefunction(impl.function) else _traced_sync
    function = wrap(hook, impl.plugin_name, impl.function)
    return TracedImpl(impl.plugin_name, impl.argnames, function)


def _traced_sync(hook: str, plugin: str, function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def run(*args: object) -> object:
        started = time.perf_counter()
        try:
            result = function(*args)
        except BaseException as error:
            _say(hook, plugin, started, _failure(error))
            raise
        _say(hook, plugin, started, _kind(result))
        return result

    return run


def _traced_async(hook: str, plugin: str, function: Callable[..., Any]) -> Callable[..., object]:
    @functools.wraps(function)
    async def run(*args: object) -> object:
        started = time.perf_counter()
        try:
            result = await function(*args)
        except BaseException as error:
            _say(hook, plugin, started, _failure(error))
            raise
        _say(hook, plugin, started, _kind(result))
        return result

    return run


def _say(hook: str, plugin: str, started: float, outcome: str) -> None:
    milliseconds = (time.perf_counter() - started) * 1000
    _log.debug("%s of %s: %.3f ms, %s", hook, plugin, milliseconds, outcome)


def _failure(error: BaseException) -> str:
    how = "raised" if isinstance(error, Exception) else "was ended by"  # cancelled, at most times
    return f"{how} {type(error).__name__}"


def _kind(result: object) -> str:
    """Return what came back, without any of its contents: those may be secret."""
    if result is None or isinstance(result, bool):
        return f"returned {result}"
    if isinstance(result, (list, tuple, dict)):
        return f"returned a {type(result).__name__} of {len(result)}"
    return f"returned a {type(result).__name__}"
