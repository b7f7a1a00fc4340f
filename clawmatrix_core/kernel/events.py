"""Events: what happened, told to plugins one after another."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import anyio

from clawmatrix_core.base.bounds import Bound

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.kernel.node_hooks import NodeHooks

__all__ = ["WAITING", "Events"]

WAITING = Bound(
    16_384,
    "events that wait until plugins have heard of those before them",
    fed_by="a member",
    when_full='the oldest is left out, and counted as "events_left_out"',
)

P = ParamSpec("P")


class Events:
    """Calls event hooks in the order of what happened, in a task of its own.

    A plugin that hangs delays the events behind it by its time limit.
    """

    def __init__(self, hooks: NodeHooks, counters: Counter[str]) -> None:
        self._hooks = hooks
        self._counters = counters
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self._arrived = anyio.Event()
        self._scope: anyio.CancelScope | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Events {len(self._waiting)} waiting>"

    def emit(
        self,
        spec: Callable[Concatenate[Any, P], Awaitable[None]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Have an event hook called soon. Does nothing after ``close``."""
        if not self._closed:
            if len(self._waiting) >= WAITING:
                self._waiting.popleft()
                self._counters["events_left_out"] += 1
            self._waiting.append(lambda: self._hooks.notify(spec, *args, **kwargs))
            self._arrived.set()

    async def run(self) -> None:
        """Call hooks until closed."""
        with anyio.CancelScope() as self._scope:
            while not self._closed:
                while self._waiting:
                    await self._waiting.popleft()()
                self._arrived = anyio.Event()
                await self._arrived.wait()

    def close(self) -> None:
        """End ``run``; what waits is dropped."""
        self._closed = True
        self._waiting.clear()
        if self._scope is not None:
            self._scope.cancel()
