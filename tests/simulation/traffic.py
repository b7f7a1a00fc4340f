"""Exchange traffic that notices what is lost, repeated, out of order or never ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core.base.errors import ExchangeError, ExchangeFailure
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from tests.simulation.ledger import Ledger, Stream
from tests.simulation.wiretap import MARK

if TYPE_CHECKING:
    import random

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame, Transit

__all__ = ["PLANS", "FlowPlugin"]

PLANS = ("echo", "echo", "echo", "pour", "leave", "fail")
"""What streams do: have all they send echoed; read what pours in; leave when half of that is
read; be answered with an error after that half."""

_FAILED = "as asked"


class FlowPlugin:
    """Answers streams, and opens them; at relays, counts how often each message comes by."""

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
        return node.accept(frame, self._answer, self._scope)

    @hookimpl(tryfirst=True)
    def transit_received(self, node: Node, transit: Transit) -> None:
        """Count a message; ``relay`` passes it on."""
        wire = transit.wire
        if transit.header.body == "sealed":
            message = (node.id, wire.message[wire.body_at : wire.body_at + 16])
            self._ledger.visits.setdefault(message, set()).add(wire.ttl)

    # --- answering

    async def _answer(self, ex: Exchange) -> None:
        ledger = self._ledger
        ledger.begun[ex.id] += 1
        try:
            if ex.request["plan"] == "echo":
                await self._echo(ex)
            else:
                await self._pour(ex, **ex.request)
        except ExchangeFailure as failure:
            ledger.served[failure.code] += 1
            raise
        except ExchangeError as error:
            ledger.served[type(error).__name__] += 1
            raise
        else:
            ledger.served["whole"] += 1
        finally:
            ledger.ended[ex.id] += 1

    async def _echo(self, ex: Exchange) -> None:
        expected = 0
        async for item in ex:
            if item["n"] != expected:
                self._ledger.wrong.append(f"{ex!r}: item {item['n']} where {expected} was due")
            expected += 1
            await ex.send(item)

    async def _pour(self, ex: Exchange, plan: str, items: int, size: int) -> None:
        for number in range(items):
            await ex.send({"n": number, "filler": (MARK + "x" * size)})
            if plan == "fail" and number == items // 2:
                raise ExchangeFailure(_FAILED, "the asker wanted it")
        if plan == "leave":
            await anyio.sleep_forever()  # and be ended by the asker's leaving

    # --- asking

    async def stream(
        self,
        node: Node,
        target: str,
        rng: random.Random,
        *,
        plan: str = "echo",
        items: int | None = None,
        size: int | None = None,
        deadline: float | None = None,
    ) -> Stream:
        """Do what the plan says, with items of random sizes at random times; note how it went."""
        size = rng.choice((0, 100, 20_000)) if size is None else size
        items = rng.randint(1, 25) if items is None else items
        stream = Stream(node.id, target, plan, items, deadline)
        ledger = self._ledger
        ledger.begin(stream, node.clock.now())
        try:
            request = {"plan": plan, "items": stream.items, "size": size}
            async with node.exchange(target, "flow", request, deadline=deadline) as ex:
                stream.id = ex.id
                if plan == "echo":
                    await self._send_and_read(ex, stream, rng)
                else:
                    await ex.finish()
                    await self._read(ex, stream, rng)
        except* ExchangeError as group:
            stream.endings += [_ending(error, stream) for error in _flat(group)]
        else:
            stream.endings.append("left" if stream.left else "whole")
        ledger.end(stream, node.clock.now())
        return stream

    async def _send_and_read(self, ex: Exchange, stream: Stream, rng: random.Random) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_send, ex, stream.items, rng)
            await self._read(ex, stream, rng)

    async def _read(self, ex: Exchange, stream: Stream, rng: random.Random) -> None:
        pause = rng.choice((0.0, 0.0, 0.05))
        async for item in ex:
            if item["n"] != stream.read:
                self._ledger.wrong.append(f"{ex!r}: item {item['n']}, not {stream.read}")
            stream.read += 1
            if stream.plan == "leave" and stream.read > stream.items // 2:
                stream.left = True
                return
            await anyio.sleep(pause)


async def _send(ex: Exchange, items: int, rng: random.Random) -> None:
    item: dict[str, Any]
    try:
        for number in range(items):
            item = {"n": number, "filler": MARK + "x" * rng.choice((0, 10, 1000, 20_000))}
            await ex.send(item)
            await anyio.sleep(rng.expovariate(10))
        await ex.finish()
    except ExchangeError:
        return  # the reading side hears of it too


def _flat(group: BaseExceptionGroup[ExchangeError]) -> list[ExchangeError]:
    found: list[ExchangeError] = []
    for error in group.exceptions:
        found += _flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _ending(error: ExchangeError, stream: Stream) -> str:
    """Return in a word how a stream ended, and note what its error claims."""
    if not error.may_have_begun:
        stream.denied = True
    if isinstance(error, ExchangeFailure):
        return error.code
    return type(error).__name__
