"""A plugin that serves a tool as others will: it asks, writes down, works, and writes again."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import attrs

import clawmatrix_core as core
from clawmatrix_audit.api import keep_head

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core import JSON

__all__ = ["BellPlugin", "ring"]


class BellPlugin:
    """Serves the tool ``bell``; ``work`` is what it does."""

    plugin_name = "bell"

    def __init__(self, work: Callable[[dict[str, JSON]], Awaitable[None]] | None = None) -> None:
        self.work = work
        self.rung: list[JSON] = []

    @core.hookimpl
    async def start_plugin(self, node: core.Node, scope: core.PluginScope) -> None:
        self.node, self.scope = node, scope

    @core.hookimpl
    @core.frame_types("ring")
    def frame_received(self, node: core.Node, frame: core.Frame) -> bool | None:
        return node.accept(frame, self.answer, self.scope)

    async def answer(self, ex: core.Exchange) -> None:
        arguments: dict[str, JSON] = ex.request
        assert ex.peer_key is not None
        record = core.AuditRecord(
            event="begin",
            id=ex.id,
            peer=ex.peer,
            key=core.key_text(ex.peer_key),
            action="tool",
            target="bell",
            arguments=arguments,
            rule="grants.home.tools",
        )
        try:
            await self.node.audit(record)
        except core.AuditFailed:
            raise core.ExchangeFailure("not_allowed", core.NOT_ALLOWED) from None
        self.rung.append(arguments)
        if self.work is not None:
            await self.work(arguments)
        ended = attrs.evolve(record, event="end", outcome="success", duration=0.25)
        [receipt] = await self.node.audit(ended)
        await ex.finish({"rung": True, "head": base64.b64encode(receipt.head).decode()})


async def ring(node: core.Node, to: str, **arguments: JSON) -> Any:
    """Ring the bell of another node; keep the head that comes with the answer."""
    record = core.AuditRecord(
        event="begin",
        id=node.new_id(),
        peer=core.NodeId(to),
        key=None,
        action="tool",
        target="bell",
        arguments=arguments,
        caller=True,
    )
    await node.audit(record)  # before anything is sent
    async with node.exchange(to, "ring", arguments, complete=True, deadline=20) as ex:
        answer = await ex.receive()
        assert ex.peer_key is not None
        keep_head(node, ex.peer, ex.peer_key, base64.b64decode(answer["head"]))
        await node.audit(attrs.evolve(record, event="end", outcome="success", duration=0.5))
        return answer
