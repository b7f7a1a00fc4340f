"""The audit of a running node: many callers, one thread, one flush for all that wait."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import attrs
import msgspec
from anyio.lowlevel import checkpoint_if_cancelled

from clawmatrix_audit.describing import describe, time_text
from clawmatrix_audit.head import Head
from clawmatrix_audit.unfinished import OPEN
from clawmatrix_core import Bound, StateError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from clawmatrix_audit.ledger import Ledger
    from clawmatrix_core import JSON, AuditRecord, NodeId

__all__ = ["WAITING", "AuditBook"]

WAITING = Bound(
    4096,
    "records that wait to be written to the audit",
    fed_by="a member",
    when_full="one more is refused, and what it is about does not run",
)
TIDYING: Final = 3600.0
"""Seconds between two looks for files that are old enough to go."""
_TOLD: Final = 50
"""Pieces of work without an end that the log names at a start."""


class _Waiting(msgspec.Struct, eq=False):
    """A record in the queue; of ``head`` and ``error`` one is set once it is ``settled``."""

    record: AuditRecord
    at: float
    settled: anyio.Event = msgspec.field(default_factory=anyio.Event)
    head: bytes = b""
    error: Exception | None = None


class AuditBook:
    """Writes records to a ledger while it is entered.

    Attributes:
        head: the newest head.
        closed: whether nothing is written any more.
        failing: why the last record could not be written, None where it was.
    """

    def __init__(
        self,
        ledger: Ledger,
        key: bytes,
        *,
        chain: str,
        node: NodeId,
        sign: Callable[[bytes], bytes],
        wall: Callable[[], float],
        keep: Callable[[], float],
        log: logging.Logger,
    ) -> None:
        """``key`` makes digests, ``sign`` signs as the node; ``keep`` is in seconds."""
        self._ledger, self._key, self._keep = ledger, key, keep
        self._chain, self._node, self._sign, self._wall = chain, node, sign, wall
        self._log = log
        self._queue: list[_Waiting] = []
        self._more, self._idle = anyio.Event(), True
        self._limiter = anyio.CapacityLimiter(1)
        self.closed = False
        self.failing: str | None = None
        self.head: Head

    @property
    def lines(self) -> int:
        """The number of the last line."""
        return self._ledger.n

    @property
    def open(self) -> int:
        """How many pieces of work have begun and not ended."""
        return len(self._ledger.unfinished)

    async def look_for_damage(self) -> str | None:
        """Return what another hand did to the audit, as far as it was seen since the start.

        Raises: StateError, where its file was moved away, and no other one can be made.
        """
        await self._in_thread(self._ledger.look_for_the_file)
        return self._ledger.damage

    def limit(self, size: int) -> None:
        """Let all files have so many bytes from now on."""
        self._ledger.limit = size

    async def __aenter__(self) -> Self:
        """Open the files, and report what an earlier run left unfinished. Raises: StateError."""
        await self._in_thread(self._begin)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._run)
        self._tasks.start_soon(self._tidy)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            self.closed = True
            with anyio.CancelScope(shield=True):
                await self._in_thread(self._finish)
            for waiting in self._queue:
                waiting.settled.set()

    async def write(self, record: AuditRecord) -> bytes:
        """Write a record; return the signed head once it is on disk. Raises: StateError."""
        if self.closed:
            raise StateError("the audit is closed: the node stops")
        if len(self._queue) >= WAITING:
            raise StateError("too many records wait to be written to the audit")
        if record.event == "begin" and self.open >= OPEN:
            raise StateError("too much work in the audit has begun and not ended")
        waiting = self._put(record)
        try:
            if self._idle:  # then no other task has to be woken
                await self._write_group()
                await checkpoint_if_cancelled()
            else:
                await waiting.settled.wait()
        except BaseException:
            if record.event == "begin":  # whoever asked runs nothing
                self._put(attrs.evolve(record, event="end", outcome="not begun", duration=0.0))
                self._more.set()
            raise
        if waiting.error is not None:
            raise waiting.error
        return waiting.head

    def _put(self, record: AuditRecord) -> _Waiting:
        waiting = _Waiting(record, self._wall())
        self._queue.append(waiting)
        return waiting

    async def _run(self) -> None:
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            if self._queue and self._idle:
                await self._write_group()

    async def _write_group(self) -> None:
        """Write all that wait now; those that come meanwhile are the next group."""
        group, self._queue, self._idle = self._queue, [], False
        try:
            with anyio.CancelScope(shield=True):
                await self._in_thread(partial(self._write, group))
        finally:
            self._idle = True
            for waiting in group:
                waiting.settled.set()
            if self._queue:
                self._more.set()

    async def _tidy(self) -> None:
        while True:
            try:
                await self._in_thread(self._drop)
            except StateError as error:
                self._log.error("old lines of the audit stay: %s", error)
            await anyio.sleep(TIDYING)

    async def _in_thread(self, call: Callable[[], None]) -> None:
        await anyio.to_thread.run_sync(call, limiter=self._limiter)

    # --- in the thread

    def _begin(self) -> None:
        self._ledger.__enter__()
        at = time_text(self._wall())
        left = self._ledger.unfinished.reported(at)
        for fields in left[:_TOLD]:
            self._log.warning("%s", _left_words(fields))
        if len(left) > _TOLD:
            self._log.warning("%d more had no end; the audit names them", len(left) - _TOLD)
        try:
            self._ledger.append([{"at": at, "event": "started", "chain": self._chain}, *left])
        except StateError as error:  # the disk may have room again when somebody asks
            self._fail(error)
        self._sign_head()

    def _finish(self) -> None:
        try:
            if self._queue:
                self._write(self._queue)
            self._ledger.append([{"at": time_text(self._wall()), "event": "stopped"}])
        except StateError as error:
            self._fail(error)
        finally:
            self._ledger.__exit__()

    def _write(self, group: Sequence[_Waiting]) -> None:
        drafts: list[Mapping[str, JSON]] = []
        for waiting in group:
            try:
                drafts.append(describe(waiting.record, waiting.at, self._key))
            except Exception as error:  # noqa: BLE001 - arguments of one record, which is refused
                waiting.error = StateError(f"the record cannot be written: {type(error).__name__}")
        try:
            if drafts:
                self._ledger.append(drafts)
                self._sign_head()
                self.failing = None
        except Exception as error:  # noqa: BLE001 - whatever it is, those that wait are told
            self._fail(error)
            for waiting in group:
                waiting.error = waiting.error or StateError(str(error))
            return
        head = self.head.encode()
        for waiting in group:
            waiting.head = head

    def _drop(self) -> None:
        self._ledger.drop(self._wall() - self._keep())

    def _fail(self, error: Exception) -> None:
        if self.failing is None:
            self._log.error("%s; nothing that has to be written down runs", error)
        self.failing = str(error)

    def _sign_head(self) -> None:
        ledger = self._ledger
        at = time_text(self._wall())
        unsigned = Head(self._chain, self._node, ledger.n, ledger.digest, at)
        self.head = unsigned.signed(self._sign)


def _left_words(fields: Mapping[str, JSON]) -> str:
    return (
        f"{fields.get('action')} {fields.get('target')!r} for {fields.get('peer')} began"
        f" {fields.get('since')} and has no end: the node stopped meanwhile"
        f" (id={fields.get('id')})"
    )
