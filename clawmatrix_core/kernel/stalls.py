"""Who blocks the event loop: watched for, told from the stack, counted as a fault."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.watchdog import LoopWatchdog
from clawmatrix_core.kernel.faults import Fault, Overrun

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator

    from clawmatrix_core.kernel.registry import PluginInfo, PluginRegistry

__all__ = ["Stalls", "plugin_in"]

_COUNTED = 1.0
"""Seconds between two counts of stalls."""
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line \d+, in (?P<function>\S+)')
_LOOPS = (
    (os.path.join("asyncio", "events.py"), "_run"),
    (os.path.join("asyncio", "runners.py"), "run"),
    (os.path.join("trio", "_core", "_run.py"), "unrolled_run"),
)
"""Where an event loop enters a task: frames outside of these say only who started the loop."""


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

    def _on_stall(self, name: str, seconds: float, stack: str) -> None:
        # In the watchdog's thread, where no plugin may be taken out.
        culprit = self._culprit(name, stack)
        self._log.error("%s blocks the loop for %.1f s\n%s", culprit or name, seconds, stack)
        if culprit is not None:
            error = Overrun(f"blocked the event loop for over {seconds:.1f} s")
            self._faults.append(Fault(culprit, "event loop", error))

    def _culprit(self, name: str, stack: str) -> str | None:
        if self._plugins is None:
            return None
        if self._plugins.get(name) is not None:
            return name
        return plugin_in(stack, self._plugins.active())


def plugin_in(stack: str, plugins: Iterable[PluginInfo]) -> str | None:
    """Return the plugin whose code is innermost in a formatted stack, None for none."""
    places = [(info.name, _place(info.plugin)) for info in plugins]
    for frame in reversed(list(_FRAME.finditer(stack))):
        file, function = str(frame["file"]), str(frame["function"])
        if any(file.endswith(loop) and function == inner for loop, inner in _LOOPS):
            return None
        for name, place in places:
            if place is not None and (file == place or file.startswith(place + os.sep)):
                return name
    return None


def _place(plugin: object) -> str | None:
    """Return the folder of the package that a plugin comes from, or its one file."""
    module = sys.modules.get(type(plugin).__module__)
    file = None if module is None else module.__file__
    if module is None or file is None:
        return None
    return os.path.dirname(file) if module.__package__ else file
