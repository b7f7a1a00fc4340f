"""Watching a coroutine step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

__all__ = ["Steps"]


class Steps:
    """Awaits a coroutine and says, around each of its steps, whose code runs.

    While the coroutine waits, other code runs, and must not be put down to its plugin.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], enter: Callable[[str | None], None], name: str
    ) -> None:
        self._coroutine = coroutine
        self._enter = enter
        self._name = name

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self._coroutine.send
        value: Any = None
        while True:
            self._enter(self._name)
            try:
                wanted = step(value)
            except StopIteration as end:
                return end.value
            finally:
                self._enter(None)
            try:
                value = yield wanted
                step = self._coroutine.send
            except BaseException as error:  # noqa: BLE001 - the coroutine is to see it, not we
                step, value = self._coroutine.throw, error
