"""Streams over a relay for a long time, clients and links cut at random: nothing is lost or left.

``make soak`` runs it for ten minutes (``SOAK_SECONDS``); the everyday run takes seconds.
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import httpx2
import psutil
import pytest

from clawmatrix_model_proxy.demo.embedded_answer import compute
from tests.integration.conftest import NodeProcess, UpstreamProcess, free_port, wait_for
from tests.plugins.mesh.forwarder import Forwarder, forwarder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MODEL = "embedded@200ms"
GROWTH = 12 * 1024 * 1024
"""What the memory of a node may change by, from the first third of the time to the last."""
AWAY = 1.0
"""Seconds for which a link is cut at most: less than what ends an exchange."""
STEADY = 15.0
"""Seconds between cuts on the long run: a link that goes sooner is dialled less and less often."""
BACK = 3.0
"""Seconds in which a link is back, and its end known again, once it can be."""


@attrs.frozen
class Sizes:
    """How long it goes on, in seconds, and how many streams there are at a time."""

    seconds: float
    streams: int
    gap: float


@attrs.define
class Ledger:
    """What came of it.

    Attributes:
        whole: streams that came whole, byte for byte.
        left: streams whose client left on purpose.
        refused: requests that found no way, while a link was cut or just mended.
        cuts: links that were cut.
        cut_at: when the last one was, by the loop's clock.
        wrong: everything else, in words.
        memory: resident bytes of each node, as time went by.
    """

    whole: int = 0
    left: int = 0
    refused: int = 0
    cuts: int = 0
    cut_at: float = -math.inf
    wrong: list[str] = attrs.field(factory=list)
    memory: dict[str, list[int]] = attrs.field(factory=dict)


class Asker:
    """Asks for one stream after another, and leaves every fourth in the middle."""

    def __init__(self, env: dict[str, Any], ledger: Ledger, seed: int) -> None:
        self._url = f"{env['baseUrl']}/chat/completions"
        self._headers = {"authorization": f"Bearer {env['token']}"}
        self._ledger = ledger
        self._random = random.Random(seed)
        self._seed = seed

    async def run(self, client: httpx2.AsyncClient, until: float) -> None:
        """Ask until a time of the loop's clock has come."""
        number = 0
        while anyio.current_time() < until:
            number += 1
            words = self._random.randint(5, 60)
            question = f"stream {self._seed}.{number}: count to {words}"
            leaves = number % 4 == self._seed % 4
            limit = self._random.uniform(0.05, 0.8) if leaves else None
            try:
                await self._ask(client, question, limit)
            except httpx2.HTTPError as error:
                self._ledger.wrong.append(f"{question}: {error!r}")
            await anyio.sleep(self._random.uniform(0.0, 0.2))

    async def _ask(self, client: httpx2.AsyncClient, question: str, limit: float | None) -> None:
        messages = [{"role": "user", "content": question}]
        body: dict[str, Any] = {"model": MODEL, "messages": messages, "stream": True}
        with anyio.move_on_after(limit) as leaving:
            async with client.stream("POST", self._url, json=body, headers=self._headers) as got:
                data = b"".join([piece async for piece in got.aiter_raw()])
                self._judge(question, got.status_code, data, compute(body).text)
        if leaving.cancelled_caught:
            self._ledger.left += 1

    def _judge(self, question: str, status: int, data: bytes, expected: str) -> None:
        away = anyio.current_time() - self._ledger.cut_at < AWAY + BACK
        if status == 502 and b'"node_unreachable"' in data and away:
            self._ledger.refused += 1
            return
        events = [event[6:] for event in data.decode().split("\n\n") if event.startswith("data: ")]
        if status != 200 or not events or events[-1] != "[DONE]":
            self._ledger.wrong.append(f"{question}: {status} {data[-300:]!r}")
            return
        choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
        if text == expected:
            self._ledger.whole += 1
        else:
            self._ledger.wrong.append(f"{question}: {len(text)} characters of {len(expected)}")


async def cut_links(
    home: NodeProcess, wires: list[Forwarder], ledger: Ledger, sizes: Sizes, until: float
) -> None:
    """Cut one link or the other, mend it after a while, and wait until the way is back.

    Without that the next cut could make it one outage, of more than an exchange outlives.
    """
    chance = random.Random(1)
    while anyio.current_time() + sizes.gap < until:
        await anyio.sleep(chance.uniform(0.5, 1.5) * sizes.gap)
        wire = chance.choice(wires)
        wire.cut()
        ledger.cuts += 1
        ledger.cut_at = anyio.current_time()
        await anyio.sleep(chance.uniform(0.0, AWAY))
        wire.mend()
        await anyio.to_thread.run_sync(home.wait_for_status, "office", "relay")


async def watch(nodes: dict[str, NodeProcess], ledger: Ledger, until: float) -> None:
    """Note how much memory each node has, thirty times."""
    step = max(0.1, (until - anyio.current_time()) / 30)
    while anyio.current_time() < until:
        for name, node in nodes.items():
            assert node.process is not None
            resident = psutil.Process(node.process.pid).memory_info().rss
            ledger.memory.setdefault(name, []).append(resident)
        await anyio.sleep(step)


@asynccontextmanager
async def mesh(
    make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess
) -> AsyncIterator[tuple[dict[str, NodeProcess], list[Forwarder]]]:
    """Run home, relay and office; each end dials the relay by a wire of its own."""
    async with forwarder() as left, forwarder() as right:
        plugins = 'plugins = ["mesh", "relay", "control"]\n'
        left.target = right.target = free_port()
        listen = f'[mesh]\nlisten = "127.0.0.1:{left.target}"\n'
        relay = make_node("relay", plugins + listen)
        relay.start()
        served = f'[[model-proxy.models]]\nid = "{MODEL}"\nbase_url = "{upstream.base_url}"\n'
        http = '[http]\nlisten = "127.0.0.1:0"\n'
        home = make_node("home", f'[mesh]\npeers = ["{left.address}"]\n{http}')
        office = make_node("office", f'[mesh]\npeers = ["{right.address}"]\n{http}{served}')
        for node in (home, office):
            node.start()
        await anyio.to_thread.run_sync(home.wait_for_status, "office", "relay")
        yield {"home": home, "relay": relay, "office": office}, [left, right]


async def soak(
    make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess, sizes: Sizes
) -> Ledger:
    """Run it, and see that nothing is left at the end."""
    ledger = Ledger()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=sizes.streams)
    async with mesh(make_node, upstream) as (nodes, wires):
        env = await anyio.to_thread.run_sync(nodes["home"].ask, "http.env")
        until = anyio.current_time() + sizes.seconds
        async with (
            httpx2.AsyncClient(timeout=60, trust_env=False, limits=limits) as client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(watch, nodes, ledger, until)
            tasks.start_soon(cut_links, nodes["home"], wires, ledger, sizes, until)
            for number in range(sizes.streams):
                tasks.start_soon(Asker(env, ledger, number).run, client, until)
        await anyio.to_thread.run_sync(_at_rest, nodes, upstream)
    return ledger


def _at_rest(nodes: dict[str, NodeProcess], upstream: UpstreamProcess) -> None:
    for name, node in nodes.items():

        def idle(node: NodeProcess = node) -> bool:
            return bool(node.ask("status")["node"]["exchanges"] == 0)

        wait_for(idle, f"{name} has no exchange left\n{node.log}")
    wait_for(lambda: upstream.stats()["active"] == 0, "the upstream answers nobody any more")


def judge(ledger: Ledger) -> None:
    """Fail where anything went wrong that nobody did on purpose, or memory grew."""
    thirds = {name: len(samples) // 3 for name, samples in ledger.memory.items()}
    grown = {
        name: statistics.median(samples[-thirds[name] :])
        - statistics.median(samples[thirds[name] : 2 * thirds[name]])
        for name, samples in ledger.memory.items()
    }
    print(
        f"{ledger.whole} whole, {ledger.left} left, {ledger.refused} refused,"
        f" {ledger.cuts} links cut,"
        f" {len(ledger.wrong)} wrong; last third against the second:"
        f" { ({name: f'{value / 1e6:+.1f} MB' for name, value in grown.items()}) }"
    )
    assert ledger.wrong == []
    assert ledger.whole > 0
    assert ledger.left > 0
    assert ledger.cuts > 0
    assert max(grown.values()) < GROWTH, grown


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_streams_survive_cut_links_and_clients(
    make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess
) -> None:
    judge(await soak(make_node, upstream, Sizes(seconds=8, streams=10, gap=1.5)))


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_two_hundred_streams_survive_ten_minutes_of_cuts(
    make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess
) -> None:
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    began = time.monotonic()
    judge(await soak(make_node, upstream, Sizes(seconds=seconds, streams=200, gap=STEADY)))
    print(f"in {time.monotonic() - began:.0f} s")
