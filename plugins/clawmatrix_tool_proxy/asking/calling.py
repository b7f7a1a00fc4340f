"""One call of a tool of another node."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_audit.api import keep_head
from clawmatrix_core import (
    AuditFailed,
    AuditRecord,
    ExchangeError,
    ExchangeFailure,
    NodeId,
    key_text,
)
from clawmatrix_tool_proxy.asking.failures import ToolFailed
from clawmatrix_tool_proxy.json_marks import marks_in
from clawmatrix_tool_proxy.wire import (
    ARGUMENTS,
    INLINE,
    META,
    RESULT,
    TOOL_REQUEST,
    VALUES,
    Cut,
    ErrorOutput,
    Outcome,
    Progress,
    StderrHead,
    ToolRequest,
    read_answer,
    read_last_head,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from clawmatrix_core import JSON, Node
    from clawmatrix_tool_proxy.tool import Arguments

__all__ = ["RemoteCall", "ToolResult", "call_tool"]

_PATIENCE: Final = 15.0


@attrs.frozen
class ToolResult:
    """What a tool gave.

    Attributes:
        value: its result, JSON; it may be None, 0 or empty.
        cut: what was left out of the output and the result, as they were too large.
    """

    value: JSON
    cut: Cut = attrs.field(factory=Cut)


def call_tool(
    node: Node,
    peer: str,
    tool: str,
    arguments: Arguments | None = None,
    *,
    timeout: float | None = None,
    deadline: float | None = None,
    meta: Arguments | None = None,
) -> RemoteCall:
    """Call a tool of another node, or of this one; nothing is sent before it is entered.

    ::

        async with call_tool(node, "office", "search", {"text": "todo"}) as call:
            async for part in call:  # bytes of output, or Progress
                ...
            found = await call.result()

    Leaving the block before the end cancels the call there. It is never made a second time.

    Args:
        node: this node.
        peer: the name of the node that has the tool.
        tool: the name of the tool.
        arguments: what it is called with, JSON of at most 8 MiB.
        timeout: seconds that the wait for an approval and the tool may take together there; the
            configuration of that node may give the tool less.
        deadline: seconds until all is over, waiting for an approval included.
        meta: what a protocol needs beside the arguments, JSON of at most 12 KiB; neither the policy
            nor the audit sees it, so it must not decide what the tool does.
    """
    return RemoteCall(node, NodeId(peer), tool, arguments or {}, timeout, deadline, meta or {})


class RemoteCall:
    """A call under way: iterate for its output, then ask for the ``result``."""

    def __init__(
        self,
        node: Node,
        peer: NodeId,
        tool: str,
        arguments: Arguments,
        timeout: float | None,
        deadline: float | None,
        meta: Arguments,
    ) -> None:
        """See ``call_tool``."""
        self._node, self._peer, self._tool = node, peer, tool
        self._arguments, self._timeout, self._deadline = arguments, timeout, deadline
        self._meta = meta
        self._stack = AsyncExitStack()
        self._ended: ToolResult | ToolFailed | None = None
        self._record: AuditRecord | None = None
        self._outcome_told: Outcome | None = None
        self._errors = 0  # bytes of error output that are still to come

    def __repr__(self) -> str:
        return f"<RemoteCall of {self._tool} at {self._peer}>"

    async def __aenter__(self) -> Self:
        """Write the call down, and send it. Raises: ToolFailed."""
        request, data = self._request()
        self._ex = self._node.exchange(
            self._peer,
            TOOL_REQUEST,
            msgspec.to_builtins(request),
            complete=not data,
            deadline=self._deadline,
        )
        await self._begin()
        try:
            await self._stack.enter_async_context(self._ex)
            if data:
                await self._ex.finish(data)
        except BaseException as error:
            await self._close(error)
            if isinstance(error, ExchangeError):
                raise ToolFailed.of_exchange(error) from None
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close(error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes | Progress:
        """Return the next part of the output, or words about how far the call is.

        Error output is an ``ErrorOutput``, which is bytes as well.

        Raises: StopAsyncIteration at the end; ToolFailed.
        """
        if self._ended is None:
            try:
                part = await self._part()
                if not isinstance(part, Outcome):
                    return part
                self._ended = await self._outcome(part)
            except ExchangeError as error:
                self._ended = ToolFailed.of_exchange(error)
        if isinstance(self._ended, ToolFailed):
            raise self._ended
        raise StopAsyncIteration

    async def result(self) -> ToolResult:
        """Return the result, once the call has ended; output that was not read is dropped.

        Raises: ToolFailed.
        """
        async for _ in self:
            pass
        assert isinstance(self._ended, ToolResult)
        return self._ended

    async def _part(self) -> bytes | Progress | Outcome:
        while isinstance(part := read_answer(await self._ex.receive()), StderrHead):
            self._errors += part.stderr
        if isinstance(part, bytes) and self._errors:
            self._errors = max(0, self._errors - len(part))
            return ErrorOutput(part)
        return part

    def _request(self) -> tuple[ToolRequest, bytes]:
        try:
            encoded = msgspec.json.encode(self._arguments)
            meta = len(msgspec.json.encode(self._meta))
        except (TypeError, ValueError) as error:
            raise ToolFailed("bad_arguments", str(error), may_have_run=False) from None
        if len(encoded) > ARGUMENTS:
            words = f"{len(encoded)} bytes of arguments; {int(ARGUMENTS)} is the most"
            raise ToolFailed("too_large", words, may_have_run=False)
        if meta > META:
            words = f"{meta} bytes beside the arguments; {META} is the most"
            raise ToolFailed("too_large", words, may_have_run=False)
        milliseconds = None if self._timeout is None else max(1, int(self._timeout * 1000))
        request = ToolRequest(self._tool, timeout_ms=milliseconds, meta=dict(self._meta))
        if len(encoded) <= INLINE:
            return msgspec.structs.replace(request, params=dict(self._arguments)), b""
        return msgspec.structs.replace(request, params_bytes=len(encoded)), encoded

    async def _outcome(self, outcome: Outcome) -> ToolResult | ToolFailed:
        self._outcome_told = outcome
        if not outcome.success:
            return ToolFailed.of_outcome(outcome)
        value = outcome.result
        if outcome.result_bytes:
            value = await self._large_result(outcome.result_bytes)
        return ToolResult(value, outcome.cut)

    async def _large_result(self, size: int) -> JSON:
        if size > RESULT:
            raise ExchangeFailure("too_large", f"a result of {size} bytes; {RESULT} are taken")
        data = bytearray()
        async for payload in self._ex:
            if not isinstance(payload, bytes) or len(data) + len(payload) > size:
                break
            data += payload
        if marks_in(bytes(data), VALUES) > VALUES:
            raise ExchangeFailure("too_large", f"a result of over {VALUES.text} values")
        try:
            value: JSON = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ExchangeFailure("bad_answer", "the result is no JSON") from None
        return value

    # --- what is written down here

    async def _begin(self) -> None:
        if self._peer == self._node.id:
            return  # the node of the tool writes it down, and that is this one
        known = self._node.directory.get(self._peer)
        record = AuditRecord(
            event="begin",
            id=self._ex.id,
            peer=self._peer,
            key=None if known is None else key_text(known.record.sign_key_bytes()),
            action="tool",
            target=self._tool,
            arguments=self._arguments,
            caller=True,
        )
        try:
            await self._node.audit(record)
        except AuditFailed as error:
            words = f"nothing was sent, as it cannot be written down here: {error}"
            raise ToolFailed("not_audited", words, may_have_run=False) from None
        self._record, self._since = record, self._node.clock.now()

    async def _close(self, error: BaseException | None) -> None:
        async with anyio.create_task_group() as tasks:
            if self._record is not None:
                tasks.start_soon(self._end, self._record, _word(self._ended, error))
            try:
                await self._take_head()
            finally:
                await self._stack.aclose()

    async def _take_head(self) -> None:
        """Keep the head of the other node's audit: it comes with the outcome, or behind it."""
        told, self._outcome_told = self._outcome_told, None
        if told is None:
            return
        head, ex = told.audit, self._ex
        if told.audit_follows:
            with anyio.move_on_after(_PATIENCE), suppress(ExchangeError):
                async for payload in ex:
                    head = read_last_head(payload)
        if head and ex.peer_key is not None and ex.peer != self._node.id:
            keep_head(self._node, ex.peer, ex.peer_key, head.encode())

    async def _end(self, begun: AuditRecord, outcome: str) -> None:
        duration = self._node.clock.now() - self._since
        record = attrs.evolve(begun, event="end", outcome=outcome, duration=duration)
        with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
            try:
                await self._node.audit(record)
            except AuditFailed as failed:
                log = self._node.logger("tools")
                log.error("the end of %s is not written down: %s", self._tool, failed)


def _word(ended: ToolResult | ToolFailed | None, error: BaseException | None) -> str:
    if isinstance(ended, ToolResult):
        return "success"
    if isinstance(ended, ToolFailed):
        return ended.code
    return ToolFailed.of_exchange(error).code if isinstance(error, ExchangeError) else "cancelled"
