"""A hundred calls at once through relays whose links are cut: each ends once, none runs twice."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from clawmatrix_core import Clock, Config, Node, hookimpl
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.simulation import run_simulation
from clawmatrix_mesh.plugin import MeshPlugin
from clawmatrix_relay.plugin import RelayPlugin
from clawmatrix_tool_proxy.api import Tool, ToolCall, ToolFailed, call_tool, tool
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.tool_proxy.shop import EngineShop, Notebook
from tests.simulation.mesh import SECRET, SimTransportPlugin, comes_true

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core.testing.simulation import Simulation
    from clawmatrix_core.testing.simulation.loop import Backend

CALLS = 100
CALLERS = 4
DIALS = {
    "relay1": (),
    "relay2": ("relay1",),
    "office": ("relay1", "relay2"),
    **{f"home{n}": ("relay1", "relay2") for n in range(CALLERS)},
}


class Worker:
    """Has a tool that works for some seconds, and counts how often each call of it ran."""

    plugin_name = "worker"
    extends = ("tool-proxy",)

    def __init__(self) -> None:
        self.began: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        return [tool(self.work, at_once=CALLS, deadline=60)]

    async def work(self, call: ToolCall, n: int, seconds: float) -> int:
        """Work, and write while it lasts."""
        self.began[n] += 1
        for _ in range(5):
            await anyio.sleep(seconds / 5)
            await call.write(b"%d " % n * 100)
        self.ended[n] += 1
        return n


@attrs.define
class Ledger:
    """How each call ended at its caller."""

    results: Counter[int] = attrs.field(factory=Counter)
    not_begun: Counter[int] = attrs.field(factory=Counter)
    unsure: Counter[int] = attrs.field(factory=Counter)

    def ends(self) -> Counter[int]:
        return self.results + self.not_begun + self.unsure


def node_of(simulation: Simulation, name: str, plugins: Sequence[object]) -> Node:
    config = {
        "node_id": name,
        "secret": SECRET,
        "mesh": {
            "listen_url": f"memory://{name}",
            "peers": [f"memory://{peer}" for peer in DIALS[name]],
            "direct": False,
        },
        "tool-proxy": {"allow": ["*"]},
    }
    transport = SimTransportPlugin(simulation.network.transport(name))
    proxy = ToolProxyPlugin()
    return Node(
        Config.from_mapping(config),
        plugins=[MeshPlugin(), RelayPlugin(), proxy, transport, Notebook(), *plugins],
        state=MemoryState(),
        identity=Identity.generate(random.Random(name).randbytes),
        clock=Clock(now=simulation.now, wall=simulation.wall(name)),
        random_source=random.Random(simulation.random.getrandbits(64)),
        watchdog=False,
    )


async def cut_links(simulation: Simulation) -> None:
    """Cut links at random, keep two nodes apart for some seconds, and one from all for longer."""
    pairs = [(one, other) for one, others in DIALS.items() for other in others]
    while True:
        await anyio.sleep(simulation.random.uniform(0.05, 0.6))
        one, other = simulation.random.choice(pairs)
        simulation.network.break_links(one, other)
        if simulation.random.random() < 0.2:
            simulation.network.block(one, other)
            await anyio.sleep(simulation.random.uniform(0.1, 3))
            simulation.network.unblock(one, other)
        if simulation.random.random() < 0.1:
            home = f"home{simulation.random.randrange(CALLERS)}"
            for relay in DIALS[home]:
                simulation.network.block(home, relay)
            await anyio.sleep(simulation.random.uniform(10, 40))
            for relay in DIALS[home]:
                simulation.network.unblock(home, relay)


async def scenario(simulation: Simulation) -> tuple[Worker, Ledger, Notebook]:
    worker, ledger, notebook = Worker(), Ledger(), Notebook()
    notebook.plugin_name = "second"
    nodes = {
        name: node_of(
            simulation, name, [worker, EngineShop("*"), notebook] if name == "office" else []
        )
        for name in DIALS
    }

    async def call(n: int) -> None:
        node = nodes[f"home{n % CALLERS}"]
        arguments = {"n": n, "seconds": simulation.random.uniform(0, 8)}
        await anyio.sleep(simulation.random.uniform(0, 2))
        try:
            async with call_tool(node, "office", "work", arguments) as running:
                assert (await running.result()).value == n
            ledger.results[n] += 1
        except ToolFailed as error:
            (ledger.unsure if error.may_have_run else ledger.not_begun)[n] += 1

    async with AsyncExitStack() as stack:
        for node in nodes.values():
            await stack.enter_async_context(node)
        callers = [nodes[f"home{n}"] for n in range(CALLERS)]
        assert await comes_true(lambda: all(n.reachable("office") for n in callers), within=60)
        async with anyio.create_task_group() as cutting:
            cutting.start_soon(cut_links, simulation)
            async with anyio.create_task_group() as tasks:
                for n in range(CALLS):
                    tasks.start_soon(call, n)
            cutting.cancel_scope.cancel()
    return worker, ledger, notebook


@pytest.mark.parametrize(("seed", "backend"), [(1, "asyncio"), (5, "trio"), (12, "trio")])
def test_each_call_ends_once_and_none_runs_twice(seed: int, backend: Backend) -> None:
    worker, ledger, notebook = run_simulation(scenario, seed=seed, backend=backend, limit=600)
    judge(worker, ledger, notebook)
    assert len(ledger.results) > CALLS / 2  # the mesh heals, and so do most calls
    assert ledger.unsure


def judge(worker: Worker, ledger: Ledger, notebook: Notebook) -> None:
    assert ledger.ends() == Counter(range(CALLS))
    assert set(worker.began.values()) <= {1}
    assert not worker.began.keys() & ledger.not_begun.keys()
    assert ledger.results.keys() <= worker.ended.keys()
    told = Counter(record.event for record in notebook.records)
    assert told["begin"] == told["end"] == len(worker.began)
