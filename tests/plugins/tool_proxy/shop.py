"""A plugin with tools of every kind, and a host's engine that decides who may call them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import anyio

from clawmatrix_core import AuditRecord, Node, Receipt, Verdict, hookimpl
from clawmatrix_tool_proxy.api import Tool, ToolCall, ToolError, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core import JSON

__all__ = ["EngineShop", "Notebook", "ShopPlugin"]


class ShopPlugin:
    """Has tools; ``more`` are tools of a test.

    Attributes:
        began: how often each tool began, by the value of its argument ``n``.
        stopped: calls of ``wait`` that were cancelled.
    """

    plugin_name = "shop"
    extends = ("tool-proxy",)

    def __init__(self, *more: Tool) -> None:
        self.more = more
        self.began: list[int] = []
        self.stopped = 0
        self.open = anyio.Event()

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        own = (self.echo, self.shout, self.stream, self.wait, self.fail, self.crash, self.big)
        return [
            *[tool(one) for one in own],
            tool(self.slow, name="slow", at_once=2),
            tool(self.short, deadline=0.1),
            *self.more,
        ]

    async def echo(self, value: object = None, n: int = 0) -> object:
        """Return what it gets.

        Args:
            value: anything.
            n: a number
                of the call.
        """
        self.began.append(n)
        return value

    def shout(self, text: str, call: ToolCall, kind: Literal["loud", "quiet"] = "loud") -> str:
        """Return a text in capitals, from a thread."""
        call.write_from_thread(f"{call.peer}\n")
        return text.upper() if kind == "loud" else text.lower()

    async def stream(self, call: ToolCall, parts: int = 3, size: int = 4) -> dict[str, int]:
        """Write output in parts."""
        for n in range(parts):
            await call.progress(f"{n + 1} of {parts}")
            await call.write(b"%04d"[:size] % n if size == 4 else bytes(size))
        return {"parts": parts}

    async def wait(self, n: int = 0) -> None:
        """Wait for ever."""
        self.began.append(n)
        self.open.set()
        try:
            await anyio.sleep_forever()
        except BaseException:
            self.stopped += 1
            raise

    slow = wait

    async def short(self) -> None:
        """Wait for ever, for a tenth of a second."""
        await anyio.sleep_forever()

    async def fail(self, code: str = "not_found") -> None:
        """Fail."""
        raise ToolError("there is no such thing", code, exit_status=7)

    async def crash(self) -> None:
        """Go wrong."""
        raise RuntimeError("the secret of the shop")

    def big(self, size: int, kind: Literal["text", "list"] = "text") -> object:
        """Return much."""
        return "x" * size if kind == "text" else [0] * size


class EngineShop:
    """Decides by a set of allowed targets, or by a function of a test."""

    plugin_name = "engine"

    def __init__(self, *allowed: str, asks: Sequence[str] = ()) -> None:
        self.allowed, self.asks = set(allowed), set(asks)
        self.only: Callable[[Mapping[str, JSON]], bool] | None = None
        self.asked: list[tuple[str, str | None, str, Mapping[str, JSON] | None]] = []

    @hookimpl
    async def authorize(
        self,
        peer: str,
        key: str | None,
        action: str,
        target: str,
        arguments: Mapping[str, JSON] | None,
    ) -> Verdict | None:
        if action != "tool":
            return None
        self.asked.append((peer, key, target, arguments))
        if target in self.asks:
            return Verdict("ask", rule="engine.ask")
        good = target in self.allowed or "*" in self.allowed
        if good and self.only is not None and arguments is not None:
            good = self.only(arguments)
        return Verdict("allow" if good else "deny", "the engine says so", rule="engine.rule")


class Notebook:
    """Writes down what the audit is told."""

    plugin_name = "notebook"

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.broken: set[str] = set()
        self.held: dict[str, anyio.Event] = {}
        self.head = b""

    @hookimpl
    async def audit_record(self, record: AuditRecord) -> Receipt:
        if record.event in self.broken:
            raise OSError("no room")
        if record.event in self.held:
            await self.held[record.event].wait()
        self.records.append(record)
        return Receipt(self.head)

    def told(self, *events: str) -> list[tuple[str, str, str | None]]:
        return [
            (one.event, one.target, one.outcome)
            for one in self.records
            if not events or one.event in events
        ]
