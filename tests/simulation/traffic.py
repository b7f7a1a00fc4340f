"""Exchange traffic that notices what is lost, repeated, out of order or never ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.errors import ExchangeError
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.plugin_types import frame_types

if TYPE_CHECKING:
    import random

    from clawmatrix_core.exchange import Exchange
    from clawmatrix_core.frames import Frame
    from clawmatrix_core.node import Node
    from clawmatrix_core.routes import Transit
    from clawmatrix_core.scope import PluginScope

__all__ = ["FlowPlugin", "Ledger", "Stream"]


@attrs.define(eq=False)
class Stream:
    """One exchange, as the scenario that opened it saw it end."""

    source: str
    target: str
    items: int
    id: str = ""
    endings: list[str] = attrs.field(factory=list)
    echoed: int = 0


@attrs.define(eq=False)
class Ledger:
    """What all nodes of a mesh saw of the traffic, in all their runs.

    Attributes:
        streams: what was opened.
        begun: how often a handler was started, by the exchange's id.
        ended: how often one ended.
        wrong: what must not have happened.
        passed: how often a relay saw one and the same message, by relay and message.
    """

    streams: list[Stream] = attrs.field(factory=list)
    begun: Counter[str] = attrs.field(factory=Counter)
    ended: Counter[str] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)
    passed: Counter[tuple[str, bytes]] = attrs.field(factory=Counter)

    @property
    def endings(self) -> Counter[str]:
        """How many streams ended which way."""
        return Counter(ending for stream in self.streams for ending in stream.endings)


class FlowPlugin:
    """Echoes numbered items; at relays, counts how often each message comes by."""

    plugin_name = "flow"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Be ready to answer."""
        self._scope = scope

    @hookimpl
    @frame_types("flow")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        """Answer a stream."""
        return node.accept(frame, self._echo, self._scope)

    @hookimpl(tryfirst=True)
    def transit_received(self, node: Node, transit: Transit) -> None:
        """Count a message; ``relay`` passes it on."""
        wire = transit.wire
        if transit.header.body == "sealed":
            self._ledger.passed[node.id, wire.message[wire.body_at : wire.body_at + 16]] += 1

    async def _echo(self, ex: Exchange) -> None:
        ledger, expected = self._ledger, 0
        ledger.begun[ex.id] += 1
        try:
            async for item in ex:
                if item["n"] != expected:
                    ledger.wrong.append(f"{ex!r}: item {item['n']} where {expected} was due")
                expected += 1
                await ex.send(item)
        finally:
            ledger.ended[ex.id] += 1

    async def stream(
        self, node: Node, target: str, rng: random.Random, deadline: float | None = None
    ) -> Stream:
        """Send numbered items of random sizes at random times, and read what comes back."""
        stream = Stream(node.id, target, items=rng.randint(1, 40))
        self._ledger.streams.append(stream)
        try:
            async with node.exchange(target, "flow", deadline=deadline) as ex:
                stream.id = ex.id
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_send, ex, stream.items, rng)
                    await self._read(ex, stream)
        except* ExchangeError as group:
            errors = [error for error in group.exceptions if isinstance(error, ExchangeError)]
            stream.endings += [type(error).__name__ for error in errors]
            self._check_begun(stream, errors)
        else:
            stream.endings.append("whole")
            if stream.echoed != stream.items:
                self._ledger.wrong.append(f"{stream}: ended whole, but is not")
        return stream

    def _check_begun(self, stream: Stream, errors: list[ExchangeError]) -> None:
        if self._ledger.begun[stream.id] and not all(error.may_have_begun for error in errors):
            self._ledger.wrong.append(f"{stream}: said not to have begun, but has")

    async def _read(self, ex: Exchange, stream: Stream) -> None:
        async for item in ex:
            if item["n"] != stream.echoed:
                self._ledger.wrong.append(f"{ex!r}: echo {item['n']}, not {stream.echoed}")
            stream.echoed += 1


async def _send(ex: Exchange, items: int, rng: random.Random) -> None:
    item: dict[str, Any]
    try:
        for number in range(items):
            item = {"n": number, "filler": "x" * rng.choice((0, 10, 1000, 20_000))}
            await ex.send(item)
            await anyio.sleep(rng.expovariate(10))
        await ex.finish()
    except ExchangeError:
        return  # the reading side hears of it too
