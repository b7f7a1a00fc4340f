"""What a plugin runs in: its tasks, and what it opened, closed when it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.faults import Fault
from clawmatrix_core.base.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PluginScope"]


class PluginScope(Supervisor):
    """The scope handed to ``start_plugin``.

    A task that raises is reported as the plugin's fault and takes nothing else with it.

    Attributes:
        plugin: the plugin's name.
    """

    def __init__(self, plugin: str, on_fault: Callable[[Fault], None]) -> None:
        super().__init__(plugin, self._task_failed)
        self.plugin = plugin
        self._report_fault = on_fault

    def report(self, error: Exception, what: str) -> None:
        """Count a fault of the plugin while it served the input of others."""
        self._report_fault(Fault(self.plugin, what, error, serving=True))

    def _task_failed(self, error: Exception, what: str) -> None:
        self._report_fault(Fault(self.plugin, what, error))
