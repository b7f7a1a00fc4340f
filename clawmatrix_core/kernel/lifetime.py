"""From the start of a node to its end, whatever its host does meanwhile."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["Lifetime"]


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
    ) -> None:
        """Make one.

        Args:
            start: starts everything, and has what is to be closed on the stack; False where it
                was cut short.
            leave: called before the stack is closed, where the start was complete.
            give_up: cuts a start short.
        """
        self.stopping = anyio.Event()
        self._start = start
        self._leave = leave
        self._give_up = give_up
        self._up = anyio.Event()
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        state = "stopping" if self.stopping.is_set() else "up" if self._up.is_set() else "starting"
        return f"<Lifetime {state}>"

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Be up inside. Raises: what the start raised, or what was raised inside."""
        failure: BaseException | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._run, group.cancel_scope)
            try:
                await self._up.wait()
                if self._failure is None:
                    yield
            except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - as above
                failure = error
            finally:
                self.stopping.set()
                self._give_up()
        failure = failure or self._failure
        if failure is not None:
            raise failure

    async def _run(self, host: anyio.CancelScope) -> None:
        with anyio.CancelScope(shield=True):
            try:
                async with AsyncExitStack() as stack:
                    if await self._started(stack):
                        self._up.set()
                        await self.stopping.wait()
                        await self._leave()
            except Exception as error:  # noqa: BLE001 - raised in the host's task
                self._failure = error
                host.cancel()
            finally:
                self._up.set()

    async def _started(self, stack: AsyncExitStack) -> bool:
        try:
            return await self._start(stack)
        except Exception as error:  # noqa: BLE001 - kept from the stack, which would group it
            self._failure = error
            return False
