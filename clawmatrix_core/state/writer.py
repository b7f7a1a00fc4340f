"""Writing to the state without a wait: in a thread, and not at every change."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread
import msgspec

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.state.folder import State

__all__ = ["StateWriter"]

WRITE_INTERVAL = 10.0
"""Seconds between two writes of one name, unless a writer is told another number."""

_log = logging.getLogger("clawmatrix.state")


class StateWriter:
    """Writes values that change often: soon, the newest of each name, and all of them at the end.

    An ``async with`` block; a plugin enters it in its scope, which is left while the state is
    still open::

        self.writer = await scope.enter(StateWriter(node.state, on_error=scope.report))
        self.writer.write_soon("dice", {"rolled": 3})

    A change after a quiet time is written at once, and further ones at most every ``every``
    seconds. Leaving the block, also by cancellation, writes what is left and waits for the disk.
    What must not be lost when the machine fails is written by ``State.write`` instead, and a
    name is written in one of the two ways only.
    """

    def __init__(
        self,
        state: State,
        *,
        every: float = WRITE_INTERVAL,
        clock: Clock | None = None,
        on_error: Callable[[Exception, str], None] | None = None,
    ) -> None:
        """Make one.

        Args:
            state: where it writes.
            every: seconds between two writes of a name.
            clock: the node's, for tests that decide what time it is.
            on_error: called with an exception and what failed, once until writing works again;
                ``PluginScope.report`` is such a function. Without it, the log is told.
        """
        self._state = state
        self._every = every
        self._now = (clock or Clock()).now
        self._on_error = on_error or _tell
        self._waiting: dict[str, JSON] = {}
        self._written: dict[str, float] = {}
        self._changed = anyio.Event()
        self._writing = anyio.Lock()
        self._failing = False
        self._left = False

    def __repr__(self) -> str:
        return f"<StateWriter {len(self._waiting)} waiting>"

    @property
    def waiting(self) -> frozenset[str]:
        """The names of which a value is not written yet."""
        return frozenset(self._waiting)

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._run)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left = True
        try:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)
        finally:
            with anyio.CancelScope(shield=True):
                await self.flush()

    def write_soon(self, name: str, value: JSON) -> None:
        """Have a value written, in the place of one of that name that still waits; return at once.

        It is read when it is written: a value that is changed until then goes out as it is then.
        Raises: LocalProtocolError, once the block was left.
        """
        if self._left:
            raise LocalProtocolError(f"{name} is not written any more: its writer is closed")
        if name not in self._waiting:
            self._changed.set()
        self._waiting[name] = value

    async def flush(self) -> None:
        """Write all that waits; it is on disk on return.

        Raises: StateError, where one could not be written: it still waits, and the others are
            tried all the same. TypeError, where one is not JSON: it is dropped.
        """
        await self._write_all(tuple(self._waiting))

    async def write_due(self) -> None:
        """Write what has waited long enough. The block itself calls it. Raises: as ``flush``."""
        await self._write_all([name for name in self._waiting if self._due_in(name) <= 0])

    def _due_in(self, name: str) -> float:
        return self._written.get(name, float("-inf")) + self._every - self._now()

    async def _run(self) -> None:
        while True:
            try:
                await self.write_due()
            except Exception as error:  # noqa: BLE001 - told of, and tried again
                if not self._failing:
                    self._on_error(error, "writing to the state")
                self._failing = True
            # From here to the wait nothing else runs, so that no change is missed.
            self._changed = anyio.Event()
            wait = min((self._due_in(name) for name in self._waiting), default=float("inf"))
            with anyio.move_on_after(max(wait, 0)):
                await self._changed.wait()

    async def _write_all(self, names: Sequence[str]) -> None:
        errors: list[Exception] = []
        for name in names:
            try:
                await self._write(name)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        if errors:
            raise errors[0]
        self._failing = self._failing and not names

    async def _write(self, name: str) -> None:
        async with self._writing:  # two threads must not write one file
            if name not in self._waiting:
                return
            value = self._waiting.pop(name)
            self._written[name] = self._now()
            taken = msgspec.to_builtins(value)  # here, where nobody changes it meanwhile
            try:
                await anyio.to_thread.run_sync(self._state.write, name, taken)
            except BaseException:
                self._waiting.setdefault(name, value)
                raise


def _tell(error: Exception, what: str) -> None:
    _log.error("%s failed: %s", what, error)
