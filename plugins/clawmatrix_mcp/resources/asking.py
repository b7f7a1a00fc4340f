"""One reading of a resource, or one prompt, of any node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_audit.api import keep_head
from clawmatrix_core import AuditFailed, AuditRecord, ExchangeError, ExchangeFailure, key_text
from clawmatrix_mcp.resources.wire import INLINE, RESULT, VALUES, Waits, read_answer
from clawmatrix_tool_proxy.api import ToolFailed, marks_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeAlias

    from clawmatrix_core import JSON, Exchange, Node, NodeId
    from clawmatrix_mcp.resources.wire import Answer, PromptRequest, ReadRequest

    Report: TypeAlias = Callable[[str], Awaitable[None]]

__all__ = ["Asked", "ask"]

_PATIENCE: Final = 15.0


@attrs.frozen
class Asked:
    """What is asked for.

    Attributes:
        peer: the node that has it.
        type: the type of the exchange.
        request: what is sent.
        target: what it is called in the audit.
        arguments: what it is asked with, for the audit.
        report: told in words that a person has to allow it.
    """

    peer: NodeId
    type: str
    request: ReadRequest | PromptRequest
    target: str
    arguments: Mapping[str, JSON]
    report: Report | None = None


async def ask(node: Node, asked: Asked) -> dict[str, JSON]:
    """Return what the server gave, unchanged. It is asked once.

    Cancelling this ends it there. A line about it is in the audit before it is sent, and one after
    it. Raises: ToolFailed.
    """
    size = len(msgspec.json.encode(asked.request))
    if size > INLINE:
        words = f"{size} bytes of arguments; {INLINE} is the most"
        raise ToolFailed("too_large", words, may_have_run=False)
    try:
        ex = node.exchange(
            asked.peer, asked.type, msgspec.to_builtins(asked.request), complete=True
        )
    except ExchangeError as error:
        raise ToolFailed.of_exchange(error) from None
    record = await _begin(node, ex, asked)
    since, outcome = node.clock.now(), "cancelled"
    try:
        async with ex:
            found = await _answer(node, ex, asked)
        outcome = "success"
        return found
    except ExchangeError as error:
        failed = ToolFailed.of_exchange(error)
        outcome = failed.code
        raise failed from None
    except ToolFailed as error:
        outcome = error.code
        raise
    finally:
        if record is not None:
            duration = node.clock.now() - since
            await _end(node, attrs.evolve(record, event="end", outcome=outcome, duration=duration))


async def _answer(node: Node, ex: Exchange, asked: Asked) -> dict[str, JSON]:
    while isinstance(answer := read_answer(await ex.receive()), Waits):
        if asked.report is not None:
            await asked.report(answer.progress)
    if answer.audit and ex.peer_key is not None and ex.peer != node.id:
        keep_head(node, ex.peer, ex.peer_key, answer.audit.encode())
    if not answer.success:
        raise _failure(answer)
    return await _large(ex, answer.result_bytes) if answer.result_bytes else answer.result


def _failure(answer: Answer) -> ToolFailed:
    return ToolFailed(
        answer.code or "failed",
        answer.error or "the reading failed",
        may_have_run=answer.began,
        detail=answer.detail,
    )


async def _large(ex: Exchange, size: int) -> dict[str, JSON]:
    if size > RESULT:
        raise ExchangeFailure("too_large", f"{size} bytes; {RESULT.text} are taken")
    data = bytearray()
    async for payload in ex:
        if not isinstance(payload, bytes) or len(data) + len(payload) > size:
            break
        data += payload
    if len(data) != size:
        raise ExchangeFailure("bad_answer", f"{len(data)} bytes came, and {size} were to come")
    if marks_in(bytes(data), VALUES) > VALUES:
        raise ExchangeFailure("too_large", f"a result of over {VALUES.text} values")
    try:
        return msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ExchangeFailure("bad_answer", "the result is no JSON object") from None


# --- what is written down here


async def _begin(node: Node, ex: Exchange, asked: Asked) -> AuditRecord | None:
    if asked.peer == node.id:
        return None  # the node of the server writes it down, and that is this one
    known = node.directory.get(asked.peer)
    record = AuditRecord(
        event="begin",
        id=ex.id,
        peer=asked.peer,
        key=None if known is None else key_text(known.record.sign_key_bytes()),
        action="resource",
        target=asked.target,
        arguments=asked.arguments,
        caller=True,
    )
    try:
        await node.audit(record)
    except AuditFailed as error:
        words = f"nothing was sent, as it cannot be written down here: {error}"
        raise ToolFailed("not_audited", words, may_have_run=False) from None
    return record


async def _end(node: Node, record: AuditRecord) -> None:
    with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
        try:
            await node.audit(record)
        except AuditFailed as error:
            words = "the end of reading %s is not written down: %s"
            node.logger("mcp").error(words, record.target, error)
