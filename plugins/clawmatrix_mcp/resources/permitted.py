"""A permitted reading: it is written down, runs while it may, and its end is written down."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_core import AuditFailed, AuditRecord, Revoked
from clawmatrix_core.spi import stray
from clawmatrix_mcp.resources.wire import RESULT, Answer
from clawmatrix_tool_proxy.api import ToolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from clawmatrix_core import JSON, Exchange, Node, Receipt, Standing
    from clawmatrix_grants.api import Permit
    from clawmatrix_tool_proxy.api import Caller

__all__ = ["Reading", "run_permitted"]

_PATIENCE: Final = 15.0
"""Seconds that writing down the end may take, also when the caller has left."""
TIME: Final = 60.0
"""Seconds that a server gets for one reading."""
_CANCELLED: Final = Answer(success=False, began=True, code="cancelled")
_REVOKED: Final = Answer(success=False, began=True, code="revoked")


@attrs.frozen
class Reading:
    """What may run now.

    Attributes:
        ex: where it came from.
        caller: who asks.
        target: what for, as grants have it.
        arguments: with what, as grants have it.
        is_exposed: says whether this node exposes it still.
        run: asks the server.
    """

    ex: Exchange
    caller: Caller
    target: str
    arguments: Mapping[str, JSON]
    is_exposed: Callable[[], bool]
    run: Callable[[], Awaitable[dict[str, JSON]]]


async def run_permitted(
    node: Node, reading: Reading, permit: Permit
) -> tuple[Answer, bytes] | None:
    """Run it; return the answer and the JSON of the result; None where it can't be written down."""
    begun = AuditRecord(
        event="begin",
        id=reading.ex.id,
        peer=reading.caller.peer,
        key=reading.caller.key,
        action="resource",
        target=reading.target,
        arguments=reading.arguments,
        rule=permit.verdict.rule,
        approval=permit.approval,
    )
    try:
        receipts = await node.audit(begun)
    except AuditFailed as error:
        node.logger("mcp").error("%s is not read: %s", reading.target, error)
        return None
    started, answer, encoded = node.clock.now(), _CANCELLED, b""
    standing = _standing(node, reading, permit)
    try:
        answer, encoded = await _while_allowed(node, reading, standing)
    finally:
        if answer is _CANCELLED and standing.why is not None:
            answer = _REVOKED  # with its key the whole exchange ended, so nobody is told
        word = "success" if answer.success else answer.code
        ended = attrs.evolve(begun, event="end", outcome=word, duration=node.clock.now() - started)
        receipts = await _write_end(node, ended) or receipts
    head = next((receipt.head.decode() for receipt in receipts if receipt.head), "")
    return msgspec.structs.replace(answer, audit=head), encoded


def _standing(node: Node, reading: Reading, permit: Permit) -> Standing:
    return node.standing(
        reading.caller.peer,
        reading.caller.key,
        "resource",
        reading.target,
        reading.arguments,
        approved=permit.approval is not None,
    )


async def _while_allowed(node: Node, reading: Reading, standing: Standing) -> tuple[Answer, bytes]:
    try:
        async with standing:
            with _exposed(node, reading, standing), anyio.move_on_after(TIME):
                return await _result(node, reading)
        words = f"the server took over {TIME:g} s, and was given up"
        return Answer.failed("deadline", words, began=True), b""
    except Revoked as error:
        words = "%s for %s was ended: %s"
        peer = reading.caller.peer
        node.logger("mcp").warning(words, reading.target, peer, error.reason)
        return Answer.failed("revoked", str(error), began=True), b""


@contextmanager
def _exposed(node: Node, reading: Reading, standing: Standing) -> Iterator[None]:
    """End it once it is not exposed any more."""

    def look(_: str) -> None:
        if not reading.is_exposed():
            standing.revoke("it is not exposed any more")

    look("")
    unsubscribe = node.when_policy_changes(look)
    try:
        yield
    finally:
        unsubscribe()


async def _result(node: Node, reading: Reading) -> tuple[Answer, bytes]:
    try:
        found = await reading.run()
        encoded = msgspec.json.encode(found)
    except ToolError as error:
        return Answer.failed(error.code, str(error), began=True), b""
    except BaseException as error:
        if (fault := stray(error)) is None:
            raise
        node.hooks.report("mcp", f"reading {reading.target}", fault, serving=True)
        words = "the reading failed; the log of its node says how"
        return Answer.failed("internal", words, began=True), b""
    if len(encoded) > RESULT:
        words = f"{len(encoded)} bytes; {RESULT.text} can be sent, and nothing of it was"
        return Answer.failed("too_large", words, began=True), b""
    return Answer(success=True, began=True, result=found), encoded


async def _write_end(node: Node, record: AuditRecord) -> Sequence[Receipt]:
    """Write the end down, whatever happens to the reading; return nothing where that fails."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
        try:
            return await node.audit(record)
        except AuditFailed as error:
            words = "the end of reading %s is not written down: %s"
            node.logger("mcp").error(words, record.target, error)
    return ()
