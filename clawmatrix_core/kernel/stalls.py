"""Plugins that block the event loop: found in the stack, and counted as a fault."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.faults import Fault, Overrun
from clawmatrix_core.base.log import log_stack
from clawmatrix_core.base.traces import Place, owner_of
from clawmatrix_core.base.watchdog import LoopWatchdog

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from clawmatrix_core.kernel.registry import PluginRegistry

__all__ = ["Stalls"]

_COUNTED = 1.0
"""Seconds between two counts of stalls."""


class Stalls:
    """Names the plugin that blocks the loop, while it does, and counts that against it."""

    def __init__(self, log: logging.Logger, *, watch: bool = True) -> None:
        self._log = log
        self._watchdog = LoopWatchdog(self._on_stall) if watch else None
        self._plugins: PluginRegistry | None = None
        self._faults: deque[Fault] = deque()

    def enter(self, plugin: str | None) -> None:
        """Note whose code the loop is about to run; None after it."""
        if self._watchdog is not None:
            self._watchdog.current = plugin or ""

    @contextmanager
    def watch(self, plugins: PluginRegistry) -> Iterator[None]:
        """Watch the loop of this thread, as long as ``run`` runs in it."""
        self._plugins = plugins
        if self._watchdog is None:
            yield
        else:
            with self._watchdog:
                yield

    async def run(self) -> None:
        """Show that the loop comes round, and count what blocked it, until cancelled."""
        if self._watchdog is None:
            await anyio.sleep_forever()
        else:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watchdog.run)
                while True:
                    await anyio.sleep(_COUNTED)
                    self.count()

    def count(self) -> None:
        """Count the stalls so far as faults. To be called in the loop's thread."""
        while self._faults and self._plugins is not None:
            self._plugins.on_fault(self._faults.popleft())

    def _on_stall(self, name: str, seconds: float, stack: str, serving: bool) -> None:
        # In the watchdog's thread, where no plugin may be taken out.
        culprit = self._culprit(name, stack)
        told = f"{culprit or name} blocks the loop for {seconds:.1f} s"
        log_stack(self._log, told, stack)
        if culprit is not None:
            error = Overrun(f"blocked the event loop for over {seconds:.1f} s")
            self._faults.append(Fault(culprit, "event loop", error, serving))

    def _culprit(self, name: str, stack: str) -> str | None:
        if self._plugins is None:
            return None
        if self._plugins.get(name) is not None:
            return name
        return owner_of(
            stack, [Place.of(info.name, info.plugin) for info in self._plugins.active()]
        )
