"""Background work of one plugin, so that its faults stay its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED, CancelScope, Event

from clawmatrix_core.base.backend import on_trio
from clawmatrix_core.base.cancellation import stray
from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.base.log import component_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from anyio.abc import TaskStatus

__all__ = ["Supervisor"]

T = TypeVar("T")

GRACE = 5.0
"""Seconds a context manager may take to close before it is cancelled."""


class _Held(msgspec.Struct, eq=False):
    """A context manager that is open, in a task of its own."""

    name: str
    scope: CancelScope = msgspec.field(default_factory=CancelScope)
    ready: Event = msgspec.field(default_factory=Event)
    leave: Event = msgspec.field(default_factory=Event)
    left: Event = msgspec.field(default_factory=Event)
    value: Any = None
    entered: bool = False
    error: Exception | None = None


class _Status:
    """A task status that remembers whether ``started`` was called."""

    def __init__(self, inner: TaskStatus[Any]) -> None:
        self._inner = inner
        self.done = False

    def started(self, value: object = None) -> None:
        self.done = True
        self._inner.started(value)


class Supervisor:
    """Runs tasks and holds context managers, each behind its own fault boundary.

    An ``async with`` block: leaving it, or ``cancel``, first ends the tasks and then closes
    the context managers in reverse. An exception of one task is reported and touches
    nothing else. The block itself is not ended by ``cancel``.
    """

    def __init__(
        self, name: str, on_fault: Callable[[Exception, str], None], *, grace: float = GRACE
    ) -> None:
        """Make one.

        Args:
            name: the plugin's.
            on_fault: called with an exception and the name of what raised it.
            grace: seconds a context manager may take to close before it is cancelled.
        """
        self.name = name
        self._on_fault = on_fault
        self._grace = grace
        self._open: list[_Held] = []
        self._at_work: dict[object, str] = {}  # the tasks that run, by name
        self._handling: dict[CancelScope, str] = {}  # those of handlers, by name
        self._handlers: set[asyncio.Task[None]] = set()  # the loop itself holds no task
        self._handlers_end = False
        self._running = False
        self._leaving = False

    async def __aenter__(self) -> Self:
        self._stop, self._stopped = Event(), Event()
        self._lifetime = self._live()
        await self._lifetime.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._lifetime.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        state = "running" if self._running else "stopped"
        return f"<Supervisor {self.name} {state}, {len(self._open)} open>"

    @property
    def late(self) -> tuple[str, ...]:
        """The tasks and context managers that a stop waits for; empty before one."""
        if not self._leaving or self._stopped.is_set():
            return ()
        at_work = (*self._at_work.values(), *self._handling.values())
        tasks = (f"task {name}" for name in at_work)
        return (*tasks, *(held.name for held in self._open))

    def start_soon(
        self, fn: Callable[..., Awaitable[object]], *args: object, name: str | None = None
    ) -> bool:
        """Start a task; False, and nothing done, once the supervisor is stopping."""
        if self._running:
            task = name or _name_of(fn)
            self._tasks.start_soon(self._guard, fn, args, task, name=f"{self.name}: {task}")
        return self._running

    def handle(
        self, fn: Callable[..., Awaitable[object]], *args: object, name: str | None = None
    ) -> bool:
        """Start a task that is soon over; False, and nothing done, once it is stopping.

        What ``fn`` is called with begins with the cancel scope that the task runs in. On asyncio
        that takes a third of what ``start_soon`` does, since no task group keeps the task.
        """
        if self._running:
            task = name or _name_of(fn)
            shown = f"{self.name}: {task}"
            if on_trio():
                self._tasks.start_soon(self._handle, fn, args, task, name=shown)
            else:
                loop = asyncio.get_running_loop()
                handler = loop.create_task(self._handle(fn, args, task), name=shown)
                self._handlers.add(handler)
                handler.add_done_callback(self._handlers.discard)
        return self._running

    async def start(
        self, fn: Callable[..., Awaitable[object]], *args: object, name: str | None = None
    ) -> object:
        """Start a task and return what it passes to ``task_status.started``.

        Raises: what the task raises before that; LocalProtocolError once the supervisor is
            stopping.
        """
        self._check_running()
        task = name or _name_of(fn)
        return await self._tasks.start(
            self._guard_started, fn, args, task, name=f"{self.name}: {task}"
        )

    async def enter(
        self, manager: AbstractAsyncContextManager[T, bool | None], *, name: str | None = None
    ) -> T:
        """Enter a context manager and return its value; it is left when the supervisor ends.

        A task of its own enters and leaves it, so the caller may be any task, under any
        time limit.

        Raises: what entering raises; LocalProtocolError once the supervisor is stopping.
        """
        self._check_running()
        held = _Held(name or type(manager).__name__)
        self._holders.start_soon(self._hold, manager, held, name=f"{self.name}: {held.name}")
        try:
            await held.ready.wait()
        except BaseException:
            # It may have been entered in this very moment: nobody would leave it.
            held.scope.cancel()
            with CancelScope(shield=True):
                await held.left.wait()
            raise
        if held.error is not None:
            raise held.error
        if not held.entered:
            raise LocalProtocolError(f"{self.name} is stopping; nothing new can be started")
        value: T = held.value
        return value

    def cancel(self) -> None:
        """End all tasks and close all context managers, soon. ``wait_stopped`` waits for it."""
        self._running = False
        self._leaving = True
        self._stop.set()

    async def wait_stopped(self) -> None:
        """Return when all tasks have ended and all context managers are closed."""
        await self._stopped.wait()

    def _check_running(self) -> None:
        if not self._running:
            raise LocalProtocolError(f"{self.name} is stopping; nothing new can be started")

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            await group.start(self._run)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised again below, not inside a group
                failure = error
            finally:
                self.cancel()
        if failure is not None:
            raise failure

    async def _run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        try:
            async with anyio.create_task_group() as self._holders:
                try:
                    async with anyio.create_task_group() as self._tasks:
                        self._running = True
                        task_status.started()
                        await self._stop.wait()
                        self._end_handlers()
                        self._tasks.cancel_scope.cancel()
                finally:
                    self._running = False
                    self._end_handlers()
                    with CancelScope(shield=True):
                        while self._handlers:
                            await asyncio.wait(self._handlers)
                        while self._open:
                            await self._close(self._open[-1])
        finally:
            self._stopped.set()

    async def _close(self, held: _Held) -> None:
        held.leave.set()
        with anyio.move_on_after(self._grace):
            await held.left.wait()
            return
        held.scope.cancel()
        self._report(TimeoutError(f"not closed within {self._grace:g} s"), held.name)
        await held.left.wait()

    async def _hold(self, manager: AbstractAsyncContextManager[Any, Any], held: _Held) -> None:
        try:
            with held.scope:
                async with manager as held.value:
                    # From here on it outlives cancellation from outside, so that it is
                    # closed in its turn.
                    held.scope.shield = True
                    self._open.append(held)
                    held.entered = True
                    held.ready.set()
                    await held.leave.wait()
        except BaseException as error:
            if (fault := stray(error)) is None:
                raise
            self._fail(held, fault)
        finally:
            held.left.set()
            held.ready.set()
            if held in self._open:
                self._open.remove(held)

    def _fail(self, held: _Held, error: Exception) -> None:
        if held.entered:
            self._report(error, held.name)
        else:
            held.error = error

    async def _guard(
        self, fn: Callable[..., Awaitable[object]], args: tuple[object, ...], name: str
    ) -> None:
        self._at_work[(task := object())] = name
        try:
            await fn(*args)
        except BaseException as error:  # one task's fault is not its siblings'
            if (fault := stray(error)) is None:
                raise
            self._report(fault, name)
        finally:
            del self._at_work[task]

    async def _handle(
        self, fn: Callable[..., Awaitable[object]], args: tuple[object, ...], name: str
    ) -> None:
        with CancelScope() as scope:
            self._handling[scope] = name
            if self._handlers_end:  # it was started just before
                scope.cancel()
            try:
                await fn(scope, *args)
            except BaseException as error:  # one task's fault is not its siblings'
                if (fault := stray(error)) is None:
                    raise
                self._report(fault, name)
            finally:
                del self._handling[scope]

    def _end_handlers(self) -> None:
        self._handlers_end = True
        for scope in tuple(self._handling):
            scope.cancel()

    async def _guard_started(
        self,
        fn: Callable[..., Awaitable[object]],
        args: tuple[object, ...],
        name: str,
        *,
        task_status: TaskStatus[Any] = TASK_STATUS_IGNORED,
    ) -> None:
        status = _Status(task_status)
        self._at_work[(task := object())] = name
        try:
            await fn(*args, task_status=status)
        except BaseException as error:
            if (fault := stray(error)) is None:
                raise
            if not status.done:
                if fault is error:
                    raise
                raise fault from error
            self._report(fault, name)
        finally:
            del self._at_work[task]

    def _report(self, error: Exception, name: str) -> None:
        try:
            self._on_fault(error, name)
        except Exception:  # noqa: BLE001 - nor may a fault of reporting be
            component_logger(None, self.name).exception("reporting a fault of %s failed", name)


def _name_of(fn: Callable[..., Awaitable[object]]) -> str:
    return str(getattr(fn, "__qualname__", None) or type(fn).__qualname__)
