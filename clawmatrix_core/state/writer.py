"""Writing to the state without a wait: in a thread, and not at every change."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread
import msgspec

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.errors import LocalProtocolError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.state.folder import State

__all__ = ["StateWriter"]

WRITE_INTERVAL = 10.0
"""Seconds between two writes of one name, unless a writer is told another number."""

_MAY_PASS = (StateError, OSError)
"""What another try may mend. Anything else is the fault of the value, which is no JSON."""

_log = logging.getLogger("clawmatrix.state")


class StateWriter:
    """Writes values that change often: soon, the newest of each name, and all of them at the end.

    An ``async with`` block; a plugin enters it in its scope, which is left while the state is
    still open::

        self.writer = await scope.enter(StateWriter(node.state, on_error=scope.report))
        self.writer.write_soon("dice", {"rolled": 3})

    A change after a quiet time is written at once, and further ones at most every ``every``
    seconds. Leaving the block, also by cancellation, writes the rest and waits for the disk.
    What cannot be written then is told; it is raised too, unless an exception or a cancellation
    leaves the block already.

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
            on_error: called with an exception and what failed, for each name once until that name
                can be written again; ``PluginScope.report`` is such a function. Without it, the
                log is told.
        """
        self._state = state
        self._every = every
        self._now = (clock or Clock()).now
        self._on_error = on_error or _tell
        self._waiting: dict[str, JSON] = {}
        self._written: dict[str, float] = {}
        self._changed = anyio.Event()
        self._writing = anyio.Lock()
        self._failing: set[str] = set()
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
        ended_well = False
        try:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)
            ended_well = error is None
        finally:
            with anyio.CancelScope(shield=True):
                errors = await self._write_all(tuple(self._waiting))
            for name, failure in errors.items():
                self._tell_once(name, failure)
        if ended_well:
            _raise_first(errors)

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
            tried all the same. TypeError, ValueError, where one is not JSON: it
            is dropped.
        """
        _raise_first(await self._write_all(tuple(self._waiting)))

    async def write_due(self) -> None:
        """Write what has waited long enough. The block itself calls it. Raises: as ``flush``."""
        _raise_first(await self._write_all(self._due()))

    def _due(self) -> Sequence[str]:
        return [name for name in self._waiting if self._due_in(name) <= 0]

    def _due_in(self, name: str) -> float:
        return self._written.get(name, float("-inf")) + self._every - self._now()

    async def _run(self) -> None:
        while True:
            for name, error in (await self._write_all(self._due())).items():
                self._tell_once(name, error)
            # From here to the wait nothing else runs, so that no change is missed.
            self._changed = anyio.Event()
            wait = min((self._due_in(name) for name in self._waiting), default=float("inf"))
            with anyio.move_on_after(max(wait, 0)):
                await self._changed.wait()

    def _tell_once(self, name: str, error: Exception) -> None:
        if name not in self._failing:
            self._failing.add(name)
            self._on_error(error, f"writing {name} to the state")

    async def _write_all(self, names: Sequence[str]) -> Mapping[str, Exception]:
        """Write these names; return the errors of the failed ones."""
        errors: dict[str, Exception] = {}
        for name in names:
            try:
                await self._write(name)
            except Exception as error:  # noqa: BLE001 - told of, or raised
                errors[name] = error
            else:
                self._failing.discard(name)
        return errors

    async def _write(self, name: str) -> None:
        async with self._writing:  # two threads must not write one file
            if name not in self._waiting:
                return
            value = self._waiting.pop(name)
            self._written[name] = self._now()
            taken = msgspec.to_builtins(value)  # here, where nobody changes it meanwhile
            try:
                await anyio.to_thread.run_sync(self._state.write, name, taken)
            except BaseException as error:
                if not isinstance(error, Exception) or isinstance(error, _MAY_PASS):
                    self._waiting.setdefault(name, value)
                    self._changed.set()  # the task may have seen nothing that waits meanwhile
                raise


def _raise_first(errors: Mapping[str, Exception]) -> None:
    for error in errors.values():
        raise error


def _tell(error: Exception, what: str) -> None:
    _log.error("%s failed: %s", what, error)
