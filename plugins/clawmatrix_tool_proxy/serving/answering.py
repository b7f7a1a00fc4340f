"""A call from its request to its outcome."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.spi import stray
from clawmatrix_grants.api import ApprovalPending, NotAllowed, Question, permit
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.serving.arguments import read_arguments, read_request
from clawmatrix_tool_proxy.serving.caller import Caller
from clawmatrix_tool_proxy.serving.denials import denied_by
from clawmatrix_tool_proxy.serving.refused import Refused, not_allowed
from clawmatrix_tool_proxy.serving.reply import Reply
from clawmatrix_tool_proxy.serving.running import Permitted, run_permitted
from clawmatrix_tool_proxy.tool import ToolError
from clawmatrix_tool_proxy.wire import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Exchange, Node
    from clawmatrix_grants.api import Permit
    from clawmatrix_tool_proxy.checking.checker import Checker
    from clawmatrix_tool_proxy.serving.denials import Denials
    from clawmatrix_tool_proxy.serving.slots import Slots
    from clawmatrix_tool_proxy.serving.table import ToolTable
    from clawmatrix_tool_proxy.tool import Arguments, Tool
    from clawmatrix_tool_proxy.wire import ToolRequest

__all__ = ["ToolServer"]

_LEFT = Outcome(success=False, code="cancelled")


class ToolServer:
    """Answers calls of the tools of this node."""

    def __init__(
        self,
        node: Node,
        table: ToolTable,
        slots: Slots,
        denials: Denials,
        checker: Checker,
        count: Callable[[Outcome], None],
    ) -> None:
        """Make one; ``count`` is told how each call ended."""
        self._node, self._table = node, table
        self._slots, self._denials, self._checker = slots, denials, checker
        self._count = count

    async def answer(self, ex: Exchange) -> None:
        """Answer one call: the handler of its exchange."""
        outcome, encoded, reply = _LEFT, b"", Reply(ex)
        try:
            request, caller = read_request(ex), Caller.of(self._node, ex)
            with self._slots.of_caller(caller):
                tool = await self._admitted(request.tool, caller, ex.id)
                outcome, encoded = await self._called(ex, request, caller, tool, reply)
        except Refused as refused:
            outcome = refused.outcome()
        finally:
            self._count(outcome)
        await reply.finish(outcome, encoded)

    async def _admitted(self, name: str, caller: Caller, id_: str) -> Tool:
        """Return the tool, where it is exposed and the caller may use it in any way at all.

        The same is done for all names, so that nobody learns which tools there are.
        """
        tool = self._table.exposed(name, own=caller.own)
        if tool is not None and self._is_open(tool, caller):
            return tool
        verdict = await self._node.authorize(caller.peer, caller.key, "tool", name, None)
        if tool is None or verdict.effect == "deny":
            why = self._table.why_not(name) if tool is None else denied_by(verdict)
            await self._denials.note(caller, id_, name, why, None)
            raise not_allowed()
        return tool

    def _is_open(self, tool: Tool, caller: Caller) -> bool:
        return caller.own and tool.name in self._table.open

    async def _called(
        self, ex: Exchange, request: ToolRequest, caller: Caller, tool: Tool, reply: Reply
    ) -> tuple[Outcome, bytes]:
        def is_exposed() -> bool:
            return self._table.exposed(tool.name, own=caller.own) is not None

        until = math.inf  # what the caller gives it bounds the wait for a person as well
        if request.timeout_ms is not None:
            until = anyio.current_time() + request.timeout_ms / 1000
        config = self._node.config.section(ToolProxyConfig)
        at_once = tool.at_once or config.at_once
        self._slots.check(tool.name, at_once)  # before anything is read, or anybody approves
        async with read_arguments(ex, request, caller, self._slots) as given:
            arguments = await self._canonical(tool, given)
            allowed = await self._permit(ex, caller, tool, arguments, until)
            if not is_exposed():  # that may have changed while a person was asked
                why = self._table.why_not(tool.name)
                await self._denials.note(caller, ex.id, tool.name, why, arguments)
                raise not_allowed()
            deadline = tool.deadline or config.deadline
            if request.timeout_ms is not None:
                waited = allowed is not None and allowed.approval is not None
                given_to_it = _left(until) if waited else request.timeout_ms / 1000
                deadline = min(deadline, given_to_it)
            plugin, most = self._table.plugin_of(tool), int(config.max_output)
            call = Permitted(
                ex,
                caller,
                tool,
                plugin,
                arguments,
                allowed,
                deadline,
                most,
                is_exposed,
                request.meta,
                reply,
            )
            with self._slots.of_tool(tool.name, at_once):
                return await run_permitted(self._node, call)

    async def _canonical(self, tool: Tool, given: Arguments) -> Arguments:
        """Return the arguments that will run. Raises: Refused."""
        try:
            if tool.check is not None:
                arguments = tool.check(given)
            else:
                arguments = await self._checker.check(tool.parameters, given)
            if tool.canonical is not None:
                if tool.canonical_blocks:
                    return await anyio.to_thread.run_sync(tool.canonical, arguments)
                return tool.canonical(arguments)
        except ToolError as error:
            raise Refused(error.code, str(error)) from None
        except BaseException as error:
            if (fault := stray(error)) is None:
                raise
            plugin, name = self._table.plugin_of(tool), tool.name
            self._node.hooks.report(plugin, f"tool {name}", fault, serving=True)
            raise Refused("internal", f"{name} failed; the log of its node says how") from None
        return arguments

    async def _permit(
        self, ex: Exchange, caller: Caller, tool: Tool, arguments: Arguments, until: float
    ) -> Permit | None:
        if self._is_open(tool, caller):
            return None

        async def progress(text: str) -> None:
            await ex.send({"progress": text, "waits": True})

        question = Question(caller.peer, caller.key, "tool", tool.name, arguments)
        try:
            return await permit(self._node, question, progress=progress, wait=_left(until))
        except NotAllowed as error:
            why = denied_by(error.verdict)
            await self._denials.note(caller, ex.id, tool.name, why, arguments)
            raise not_allowed() from None
        except ApprovalPending as error:
            raise Refused("approval_pending", str(error), detail=error.detail) from None


def _left(until: float) -> float:
    return max(0.0, until - anyio.current_time())
