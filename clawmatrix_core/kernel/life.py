"""From the start of a node and its plugins to its end, whatever its host does meanwhile."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import hookspecs
from clawmatrix_core.base.cancellation import stray
from clawmatrix_core.base.errors import (
    ClawMatrixError,
    LocalProtocolError,
    PluginError,
    StartError,
)
from clawmatrix_core.base.faults import Fault, Overrun
from clawmatrix_core.base.patience import tell_until
from clawmatrix_core.kernel.scope import PluginScope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.kernel.registry import PluginRegistry
    from clawmatrix_core.loading.plugin_info import PluginInfo

__all__ = ["START_LIMIT", "Lifetime", "Starter"]

OTHER_TASK = (
    "a node is left by the task that entered it, after every task group and cancel scope that was"
    " opened inside its block: either another task leaves it, or one of these is still open."
    " The node stops, and nobody waits for its end"
)
TOLD = 5.0
"""Seconds between two lines in the log about who holds up the stop."""
START_LIMIT = 30.0
"""Seconds a plugin may take to start."""


class Lifetime:
    """Starts and stops a node in a task of its own.

    So the host may leave the node under whatever cancel scope it likes, and gets errors without
    a group around them; what was opened is closed in order, whoever cancels.

    Attributes:
        stopping: set when the node is to stop.
    """

    def __init__(
        self,
        start: Callable[[AsyncExitStack], Awaitable[bool]],
        leave: Callable[[], Awaitable[None]],
        give_up: Callable[[], None],
        late: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Make one.

        Args:
            start: starts everything, and has what is to be closed on the stack; False where it
                was cut short.
            leave: called before the stack is closed, where the start was complete.
            give_up: cuts a start short.
            late: called every few seconds of a stop that takes long, with the seconds so far.
        """
        self.stopping = anyio.Event()
        self._start = start
        self._leave = leave
        self._give_up = give_up
        self._late = late
        self._up, self._ended = anyio.Event(), anyio.Event()
        self._host: anyio.CancelScope | None = None
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        state = "stopping" if self.stopping.is_set() else "up" if self._up.is_set() else "starting"
        return f"<Lifetime {state}>"

    def end(self, error: Exception) -> None:
        """Stop the node in order, end the host's block, and raise this out of it."""
        self._failure = self._failure or error
        self.stopping.set()
        self._give_up()
        if self._host is not None:
            self._host.cancel()

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Be up inside. Raises: what the start raised, or what was raised inside.

        LocalProtocolError, where another task leaves the block than the one that entered it, or
        where a task group or cancel scope that was opened inside is still open.
        """
        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as group:
                self._host = group.cancel_scope
                group.start_soon(self._run)
                group.start_soon(self._tell)
                try:
                    await self._up.wait()
                    if self._failure is None:
                        yield
                except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - as above
                    failure = error
                finally:
                    self.stopping.set()
                    self._give_up()
        except RuntimeError as error:
            # It is the task group's: what the host and the start raise is kept for below.
            raise LocalProtocolError(OTHER_TASK) from error
        failure = failure or self._failure
        if failure is not None:
            raise failure

    async def _tell(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.stopping.wait()
            await tell_until(self._ended, self._late, every=TOLD)

    async def _run(self) -> None:
        with anyio.CancelScope(shield=True):
            try:
                async with AsyncExitStack() as stack:
                    if await self._started(stack):
                        self._up.set()
                        await self.stopping.wait()
                        await self._leave()
            except Exception as error:  # noqa: BLE001 - raised in the host's task
                self.end(error)
            finally:
                self._up.set()
                self._ended.set()

    async def _started(self, stack: AsyncExitStack) -> bool:
        try:
            return await self._start(stack)
        except Exception as error:  # noqa: BLE001 - kept from the stack, which would group it
            self._failure = self._failure or error
            return False


class Starter:
    """Starts plugins, takes out those that cannot, and ends the scopes of those that fail."""

    def __init__(self, plugins: PluginRegistry) -> None:
        self._plugins = plugins
        self._scopes: dict[str, PluginScope] = {}
        self._cancelled = False
        self._waiting: anyio.CancelScope | None = None

    async def start_all(self, hooks: NodeHooks, stack: AsyncExitStack) -> bool:
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
                await self._start(hooks, info, scope)
        if not self._cancelled:
            with anyio.CancelScope() as self._waiting:
                await hooks.notify(hookspecs.node_started)
        return not self._cancelled

    async def _start(self, hooks: NodeHooks, info: PluginInfo, scope: PluginScope) -> None:
        start = hookspecs.start_plugin
        try:
            with anyio.move_on_after(START_LIMIT) as self._waiting:
                await hooks.one(info.name, start, scope=scope)
            if self._waiting.cancelled_caught and not self._cancelled:
                raise Overrun(f"took over {START_LIMIT:g} s")
        except StartError as error:
            error.plugin = error.plugin or info.name
            raise
        except BaseException as error:  # a plugin that cannot start is out
            if (fault := stray(error)) is None:
                raise
            self._did_not_start(info, fault)

    def _did_not_start(self, info: PluginInfo, error: Exception) -> None:
        fault = Fault(info.name, hookspecs.start_plugin.__name__, error)
        self._plugins.on_fault(fault, log=not isinstance(error, PluginError))  # the reason says it
        known = isinstance(error, ClawMatrixError)  # written for people, unlike names of classes
        why = str(error) if known else f"{type(error).__name__}: {error}"
        self._plugins.fail(info, f"did not start: {why}")

    def cancel(self) -> None:
        """Start nothing more, and end the start that goes on."""
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.cancel()

    def holding(self) -> list[str]:
        """Return what has not ended of the plugin that is being stopped: ``plugin: task``."""
        return [f"{name}: {what}" for name, scope in self._scopes.items() for what in scope.late]

    def plugin_failed(self, info: PluginInfo) -> None:
        """End what a plugin runs."""
        scope = self._scopes.get(info.name)
        if scope is not None:
            scope.cancel()
