"""Answers readings of resources, and prompts, of the servers that are mounted here."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core import NOT_ALLOWED, Bound
from clawmatrix_grants.api import ApprovalPending, NotAllowed, Question, permit
from clawmatrix_mcp.resources.frame_types import MCP_READ
from clawmatrix_mcp.resources.permitted import Reading, run_permitted
from clawmatrix_mcp.resources.uris import canonical, prompt_target, resource_target, sendable
from clawmatrix_mcp.resources.wire import (
    INLINE,
    Answer,
    PromptRequest,
    ReadRequest,
    Waits,
)
from clawmatrix_tool_proxy.api import Caller, denied_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from typing import TypeAlias

    from clawmatrix_core import JSON, Exchange, Node, Verdict
    from clawmatrix_grants.api import Permit
    from clawmatrix_mcp.resources.servers import Exposed, Server
    from clawmatrix_tool_proxy.api import Denials

    Ask: TypeAlias = Callable[[Server], Awaitable[dict[str, JSON]]]

__all__ = ["ALL_READINGS", "READINGS", "ResourceServer"]

READINGS = Bound(
    8,
    "resources and prompts that one caller reads here at a time",
    fed_by="a member",
    when_full="its next one is refused as busy",
)
ALL_READINGS = Bound(
    32,
    "resources and prompts that are read here at a time",
    fed_by="a member",
    when_full="the next one is refused as busy",
)


class ResourceServer:
    """Answers readings and prompts."""

    def __init__(self, node: Node, exposed: Exposed, denials: Denials) -> None:
        self._node, self._exposed, self._denials = node, exposed, denials
        self._readings: Counter[Caller] = Counter()

    async def answer(self, ex: Exchange) -> None:
        """Answer one: the handler of its exchange."""
        caller = Caller.of(self._node, ex)
        answer, encoded = await self._answered(ex, caller)
        if len(encoded) <= INLINE:
            await ex.finish(msgspec.to_builtins(answer))
        else:
            head = msgspec.structs.replace(answer, result={}, result_bytes=len(encoded))
            await ex.finish(msgspec.to_builtins(head), encoded)

    async def _answered(self, ex: Exchange, caller: Caller) -> tuple[Answer, bytes]:
        if self._readings[caller] >= READINGS or self._readings.total() >= ALL_READINGS:
            words = "too many resources and prompts are read here at this time"
            return Answer.failed("busy", words, began=False), b""
        with self._counted(caller):
            try:
                if ex.type == MCP_READ:
                    return await self._read(ex, caller, msgspec.convert(ex.request, ReadRequest))
                prompt = msgspec.convert(ex.request, PromptRequest)
                return await self._prompt(ex, caller, prompt)
            except msgspec.ValidationError as error:
                return Answer.failed("bad_request", str(error), began=False), b""

    async def _read(self, ex: Exchange, caller: Caller, asked: ReadRequest) -> tuple[Answer, bytes]:
        target = resource_target(asked.server, asked.uri)
        if target is None:
            words = (
                "that is no URI that is read here: it has a scheme, and no part of it is . or .."
            )
            return Answer.failed("bad_uri", words, began=False), b""
        spelt = canonical(asked.uri)

        async def run(server: Server) -> dict[str, JSON]:
            return await server.request("resources/read", {"uri": _as_listed(server, spelt)})

        return await self._permitted(ex, caller, asked.server, target, {"uri": spelt}, run)

    async def _prompt(
        self, ex: Exchange, caller: Caller, asked: PromptRequest
    ) -> tuple[Answer, bytes]:
        target = prompt_target(asked.server, asked.name)
        if target is None:
            return Answer.failed("bad_request", "that is no name", began=False), b""
        params: dict[str, JSON] = {"name": asked.name, "arguments": dict(asked.arguments)}

        async def run(server: Server) -> dict[str, JSON]:
            return await server.request("prompts/get", params)

        return await self._permitted(ex, caller, asked.server, target, dict(asked.arguments), run)

    async def _permitted(
        self,
        ex: Exchange,
        caller: Caller,
        name: str,
        target: str,
        arguments: Mapping[str, JSON],
        run: Ask,
    ) -> tuple[Answer, bytes]:
        """Run it where it is exposed and allowed; the same is done for all that is not."""

        def is_exposed() -> bool:
            return self._exposed.has(target) and self._exposed.server(name) is not None

        verdict = await self._node.authorize(caller.peer, caller.key, "resource", target, None)
        if not is_exposed() or verdict.effect == "deny":
            return await self._denied(ex, caller, target, self._why(name, target, verdict))
        try:
            allowed = await self._permit(ex, caller, target, arguments)
        except NotAllowed as error:
            return await self._denied(ex, caller, target, denied_by(error.verdict), arguments)
        except ApprovalPending as error:
            pending = Answer.failed(
                "approval_pending", str(error), began=False, detail=error.detail
            )
            return pending, b""
        server = self._exposed.server(name)
        if server is None or not is_exposed():  # that may have changed while a person was asked
            return await self._denied(ex, caller, target, "it is not exposed any more", arguments)
        found = server

        async def ask() -> dict[str, JSON]:
            return await run(found)

        reading = Reading(ex, caller, target, arguments, is_exposed, ask)
        done = await run_permitted(self._node, reading, allowed)
        return done or (Answer.failed("not_allowed", NOT_ALLOWED, began=False), b"")

    async def _permit(
        self, ex: Exchange, caller: Caller, target: str, arguments: Mapping[str, JSON]
    ) -> Permit:
        async def progress(text: str) -> None:
            await ex.send(msgspec.to_builtins(Waits(text)))

        question = Question(caller.peer, caller.key, "resource", target, arguments)
        return await permit(self._node, question, progress=progress)

    async def _denied(
        self,
        ex: Exchange,
        caller: Caller,
        target: str,
        why: str,
        arguments: Mapping[str, JSON] | None = None,
    ) -> tuple[Answer, bytes]:
        await self._denials.note(caller, ex.id, target, why, arguments)
        return Answer.failed("not_allowed", NOT_ALLOWED, began=False), b""

    def _why(self, name: str, target: str, verdict: Verdict) -> str:
        if self._exposed.server(name) is None:
            return "no server of that name is mounted"
        return denied_by(verdict) if self._exposed.has(target) else "not exposed: [mcp] resources"

    @contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        self._readings[caller] += 1
        try:
            yield
        finally:
            self._readings[caller] -= 1
            self._readings += Counter()  # those at 0 go


def _as_listed(server: Server, spelt: str) -> str:
    """Return a URI as the server lists it, or else in the one spelling that was asked about."""
    for told in server.resources:
        uri = told.get("uri") if isinstance(told, dict) else None
        if isinstance(uri, str) and canonical(uri) == spelt:
            return uri
    return sendable(spelt)
