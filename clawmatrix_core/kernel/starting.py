"""Starting plugins one by one, each in a scope of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import StartError
from clawmatrix_core.kernel.dispatcher import Fault, Overrun
from clawmatrix_core.kernel.scope import PluginScope

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.registry import PluginInfo, PluginRegistry

__all__ = ["START_LIMIT", "Starter"]

START_LIMIT = 30.0
"""Seconds a plugin may take to start."""


class Starter:
    """Starts plugins, takes out those that cannot, and ends the scopes of those that fail."""

    def __init__(self, plugins: PluginRegistry) -> None:
        self._plugins = plugins
        self._scopes: dict[str, PluginScope] = {}
        self._cancelled = False
        self._waiting: anyio.CancelScope | None = None

    async def start_all(self, node: Node, stack: AsyncExitStack) -> bool:
        """Start the plugins in order of loading; their scopes are closed with the stack.

        Returns False where ``cancel`` cut it short. Raises: StartError, where a plugin says
            that the node cannot do without it.
        """
        for info in self._plugins.active():
            if self._cancelled:
                return False
            if info.state == "active" and "start_plugin" in info.hooks:
                scope = PluginScope(info.name, self._plugins.on_fault)
                await stack.enter_async_context(scope)
                self._scopes[info.name] = scope
                await self._start(node, info, scope)
        if not self._cancelled:
            with anyio.CancelScope() as self._waiting:
                await node.hooks.notify(hookspecs.node_started, node=node)
        return not self._cancelled

    async def _start(self, node: Node, info: PluginInfo, scope: PluginScope) -> None:
        start = hookspecs.start_plugin
        try:
            with anyio.move_on_after(START_LIMIT) as self._waiting:
                await node.hooks.one(info.name, start, node=node, scope=scope)
            if self._waiting.cancelled_caught and not self._cancelled:
                raise Overrun(f"took over {START_LIMIT:g} s")
        except StartError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin that cannot start is out
            self._plugins.on_fault(Fault(info.name, start.__name__, error))
            self._plugins.fail(info, f"did not start: {type(error).__name__}: {error}")

    def cancel(self) -> None:
        """Start nothing more, and end the start that goes on."""
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.cancel()

    def plugin_failed(self, info: PluginInfo) -> None:
        """End what a plugin runs."""
        scope = self._scopes.get(info.name)
        if scope is not None:
            scope.cancel()
