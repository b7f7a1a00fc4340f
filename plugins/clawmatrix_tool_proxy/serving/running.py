"""A permitted call: it is written down, runs while it may, and its end is written down."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec

from clawmatrix_core import AuditFailed, AuditRecord, ExchangeError, Revoked
from clawmatrix_core.spi import stray
from clawmatrix_tool_proxy.serving.output import Output, cut_result
from clawmatrix_tool_proxy.serving.refused import not_allowed
from clawmatrix_tool_proxy.tool import ToolCall, ToolError
from clawmatrix_tool_proxy.wire import CODE, Cut, Outcome, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_core import Exchange, Node, Receipt, Standing
    from clawmatrix_grants.api import Permit
    from clawmatrix_tool_proxy.serving.caller import Caller
    from clawmatrix_tool_proxy.serving.reply import Reply
    from clawmatrix_tool_proxy.tool import Arguments, Tool

__all__ = ["Permitted", "run_permitted"]

_PATIENCE: Final = 15.0
"""Seconds that writing down the end of a call may take, also when its caller has left."""


@attrs.frozen
class Permitted:
    """A call that may run now.

    Attributes:
        ex: where it came from, and where its output goes.
        caller: who calls.
        tool: the tool.
        plugin: the plugin that has the tool.
        arguments: what it runs with.
        permit: why it may; None for what this node's own clients may always do.
        deadline: seconds that it may take.
        most: bytes of output, and of the result, that are sent.
        is_exposed: says whether this node exposes the tool still.
        meta: what the caller's protocol sent beside the arguments.
        reply: takes the outcome.
    """

    ex: Exchange
    caller: Caller
    tool: Tool
    plugin: str
    arguments: Arguments
    permit: Permit | None
    deadline: float
    most: int
    is_exposed: Callable[[], bool]
    meta: Arguments
    reply: Reply


async def run_permitted(node: Node, call: Permitted) -> tuple[Outcome, bytes]:
    """Run a call, and tell of its outcome; return that with the head, and the JSON of its result.

    Raises: Refused, where it cannot be written down.
    """
    begun = _record(call)
    try:
        receipts = await node.audit(begun)
    except AuditFailed as error:
        node.logger("tools").error("%s does not run: %s", call.tool.name, error)
        raise not_allowed() from None
    started, outcome, encoded = node.clock.now(), _CANCELLED, b""
    duration: float | None = None
    standing = _standing(node, call)
    try:
        outcome, encoded = await _run(node, call, standing)
        duration = node.clock.now() - started
        await call.reply.tell(outcome, encoded)
    finally:
        if outcome is _CANCELLED and standing is not None and standing.why is not None:
            outcome = _REVOKED  # with its key the whole exchange ended, so nobody is told
        if duration is None:
            duration = node.clock.now() - started
        ended = attrs.evolve(begun, event="end", outcome=_word(outcome), duration=duration)
        receipts = await _write_end(node, ended) or receipts
    return msgspec.structs.replace(outcome, audit=_head(receipts)), encoded


_CANCELLED = Outcome(success=False, began=True, code="cancelled")
_REVOKED = Outcome(success=False, began=True, code="revoked")


def _word(outcome: Outcome) -> str:
    return "success" if outcome.success else outcome.code


def _record(call: Permitted) -> AuditRecord:
    permit = call.permit
    return AuditRecord(
        event="begin",
        id=call.ex.id,
        peer=call.caller.peer,
        key=call.caller.key,
        action="tool",
        target=call.tool.name,
        arguments=call.arguments,
        rule="own clients" if permit is None else permit.verdict.rule,
        approval=None if permit is None else permit.approval,
    )


async def _write_end(node: Node, record: AuditRecord) -> Sequence[Receipt]:
    """Write the end down, whatever happens to the call; return nothing where that fails."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
        try:
            return await node.audit(record)
        except AuditFailed as error:
            node.logger("tools").error(
                "the end of %s is not written down: %s", record.target, error
            )
    return ()


def _head(receipts: Sequence[Receipt]) -> str:
    return next((receipt.head.decode() for receipt in receipts if receipt.head), "")


async def _run(node: Node, call: Permitted, standing: Standing | None) -> tuple[Outcome, bytes]:
    output = Output(call.ex, call.most)
    try:
        async with standing or nullcontext():
            with _exposed(node, call, standing), anyio.move_on_after(call.deadline) as limit:
                outcome, encoded = await _result(node, call, output)
        if limit.cancelled_caught:
            words = f"{call.tool.name} took over {call.deadline:g} s, and was stopped"
            outcome, encoded = _failed("deadline", words), b""
    except Revoked as error:
        node.logger("tools").warning(
            "%s for %s was ended: %s", call.tool.name, call.caller.peer, error.reason
        )
        outcome, encoded = _failed("revoked", str(error)), b""
    cut = msgspec.structs.replace(outcome.cut, output=output.dropped)
    return msgspec.structs.replace(outcome, cut=cut), encoded


@contextmanager
def _exposed(node: Node, call: Permitted, standing: Standing | None) -> Iterator[None]:
    """End the call once the policy changes so that its tool is not exposed any more."""

    def look(_: str) -> None:
        if standing is not None and not call.is_exposed():
            standing.revoke("the tool is not exposed any more")

    look("")
    unsubscribe = node.when_policy_changes(look)
    try:
        yield
    finally:
        unsubscribe()


def _standing(node: Node, call: Permitted) -> Standing | None:
    """Return what the call runs in; None for what own clients may always do."""
    if call.permit is None:
        return None
    return node.standing(
        call.caller.peer,
        call.caller.key,
        "tool",
        call.tool.name,
        call.arguments,
        approved=call.permit.approval is not None,
    )


async def _result(node: Node, call: Permitted, output: Output) -> tuple[Outcome, bytes]:
    """Run the tool. It gives a result, or says why not, or goes wrong."""
    told = ToolCall(
        id=call.ex.id,
        tool=call.tool.name,
        peer=call.caller.peer,
        key=call.caller.key,
        write=output.write,
        progress=output.progress,
        meta=call.meta,
        write_errors=output.write_errors,
    )
    try:
        found = await call.tool.run(told, call.arguments)
        result, encoded, dropped = cut_result(found, call.most)
    except ToolError as error:
        return _failed(error.code, str(error), error.exit_status, began=error.began), b""
    except ExchangeError as error:  # the tool's own, or this one: then nobody waits
        return _failed("failed", str(error)), b""
    except BaseException as error:
        if (fault := stray(error)) is None:
            raise
        node.hooks.report(call.plugin, f"tool {call.tool.name}", fault, serving=True)
        return _failed("internal", f"{call.tool.name} failed; the log of its node says how"), b""
    finally:
        told.end()
    return Outcome(success=True, began=True, result=result, cut=Cut(result=dropped)), encoded


def _failed(code: str, words: str, exit_status: int = 20, *, began: bool = True) -> Outcome:
    return Outcome(
        success=False,
        began=began,
        error=words_of(words),
        code=words_of(code, CODE),
        exit_status=min(max(exit_status, 0), 255),
    )
