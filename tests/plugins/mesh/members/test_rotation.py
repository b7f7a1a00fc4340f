"""The secret of a mesh exchanged under traffic, over real sockets."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from clawmatrix_core.base.errors import ExchangeError
from clawmatrix_core.config.config import Config, Secret
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import free_port, wait_until
from clawmatrix_mesh.plugin import MeshPlugin
from tests.plugins.mesh.conftest import LIMITS, address_of
from tests.plugins.mesh.wire import Member, port_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup, TaskStatus

pytestmark = pytest.mark.anyio

OLD, NEW = "the-old-secret-of-this-mesh-0123456789", "the-new-secret-of-this-mesh-0123456789"
NAMES = ("hub", "home", "lab")


@attrs.define(eq=False)
class Machine:
    """A node that can be restarted with another configuration; its keys and port stay."""

    name: str
    port: int
    hub: int
    secrets: tuple[str, ...] = (OLD,)
    state: MemoryState = attrs.field(factory=MemoryState)
    node: Node | None = None
    runs: int = 0
    stop: anyio.Event = attrs.field(factory=anyio.Event)
    gone: anyio.Event = attrs.field(factory=anyio.Event)

    @property
    def running(self) -> Node:
        assert self.node is not None
        return self.node

    def make(self) -> Node:
        peers = [] if self.name == "hub" else [f"ws://127.0.0.1:{self.hub}"]
        mesh = {"listen": f"127.0.0.1:{self.port}", "peers": peers, "heartbeat": 0.5}
        first, *others = self.secrets
        told = {"node_id": self.name, "secret": first, "previous_secrets": others, "mesh": mesh}
        plugins = [MeshPlugin(limits=LIMITS), "relay"]
        return Node(Config.from_mapping(told), plugins=plugins, state=self.state)

    async def live(self, *, task_status: TaskStatus[None]) -> None:
        self.stop, self.gone = anyio.Event(), anyio.Event()
        self.runs += 1
        try:
            async with self.make() as self.node:
                task_status.started()
                await self.stop.wait()
                self.runs += 1
                self.node = None  # nobody asks it for more
        finally:
            self.gone.set()

    async def restart(self, tasks: TaskGroup, *secrets: str) -> None:
        self.stop.set()
        await self.gone.wait()
        self.secrets = secrets
        await tasks.start(self.live)


@attrs.define
class Traffic:
    """Exchanges of each node with each other, all the time."""

    machines: dict[str, Machine]
    answered: dict[tuple[str, str], int] = attrs.field(factory=dict)
    unexplained: list[str] = attrs.field(factory=list)

    async def run(self, one: str, other: str) -> None:
        """Ask again and again; an error counts unless an end was restarted since the last answer.

        What is opened while a node has not heard of the other's restart may have begun in the
        earlier run, whatever a relay says of it, and so ends with an error.
        """
        here, there = self.machines[one], self.machines[other]
        runs = (here.runs, there.runs)
        while True:
            now = (here.runs, there.runs)
            node = here.node
            if node is not None:
                try:
                    async with node.exchange(other, "ping", {"n": 1}, complete=True) as ex:
                        await ex.receive()
                    self.answered[one, other] = self.answered.get((one, other), 0) + 1
                    runs = now
                except ExchangeError as error:
                    if runs == (here.runs, there.runs):
                        self.unexplained.append(f"{one} to {other}: {error!r}")
            await anyio.sleep(0.02)

    async def all_answered(self) -> None:
        """Return when every pair has had an answer from now on."""
        before = dict(self.answered)
        pairs = [(a, b) for a in NAMES for b in NAMES if a != b]
        await wait_until(
            lambda: all(self.answered.get(pair, 0) > before.get(pair, 0) + 1 for pair in pairs),
            limit=30,
        )


@asynccontextmanager
async def busy_mesh() -> AsyncIterator[tuple[TaskGroup, Traffic]]:
    """Run three nodes, two of which see each other through the third, and their traffic."""
    hub = free_port()
    async with anyio.create_task_group() as tasks:
        ports = {name: hub if name == "hub" else free_port() for name in NAMES}
        machines = {name: Machine(name, ports[name], hub) for name in NAMES}
        for machine in machines.values():
            await tasks.start(machine.live)
        traffic = Traffic(machines)
        for one in NAMES:
            for other in set(NAMES) - {one}:
                tasks.start_soon(traffic.run, one, other)
        await traffic.all_answered()
        yield tasks, traffic
        tasks.cancel_scope.cancel()
    assert traffic.unexplained == []


async def refused(port: int, secret: str) -> int:
    """Return the close code that a stranger with some secret gets."""
    async with await Member.shake(port, "stranger", secret=secret) as stranger:
        return (await stranger.wire.closed()).code


@pytest.mark.parametrize("order", [NAMES, NAMES[::-1]], ids=["hub first", "hub last"])
async def test_no_exchange_fails_while_nodes_are_restarted_with_a_new_secret(
    order: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with busy_mesh() as (tasks, traffic):
        for secrets in ((NEW, OLD), (NEW,)):
            for name in order:
                await traffic.machines[name].restart(tasks, *secrets)
                await traffic.all_answered()
        hub = traffic.machines["hub"].running
        assert await refused(traffic.machines["hub"].port, OLD) == 4001
        await wait_until(lambda: hub.counters["wrong_secret"] >= 1)
    assert "does not have this mesh's secret" in caplog.text
    assert OLD not in caplog.text
    assert NEW not in caplog.text


async def test_no_exchange_fails_while_the_secret_is_exchanged_at_run_time() -> None:
    async with busy_mesh() as (_, traffic):
        runs = [machine.runs for machine in traffic.machines.values()]
        for secrets in ((NEW, OLD), (NEW,)):
            for name in NAMES:
                first, *others = map(Secret, secrets)
                traffic.machines[name].running.keyring.put(first, others)
                await traffic.all_answered()
        assert await refused(traffic.machines["hub"].port, OLD) == 4001
        assert runs == [machine.runs for machine in traffic.machines.values()]


async def test_a_node_left_with_the_old_secret_is_put_out_and_told_why() -> None:
    async with busy_mesh() as (_, traffic):
        for name in ("hub", "home"):
            traffic.machines[name].running.keyring.put(Secret(NEW))
        lab = traffic.machines["lab"].running
        [section] = [one for one in lab.status_sections() if one.name == "mesh"]
        await wait_until(lambda: not lab.links)
        await wait_until(
            lambda: "has another secret" in (section.read()["dialling"][0]["error"] or "")
        )
        hub = traffic.machines["hub"].running
        await wait_until(lambda: set(hub.links) == {"home"})
        assert all("lab" in failed for failed in traffic.unexplained)
        traffic.unexplained.clear()


async def test_a_new_secret_is_offered_first_and_the_old_one_when_that_is_refused() -> None:
    async with Machine("hub", 0, 0).make() as hub:
        port = port_of(address_of(hub))
        home = Machine("home", 0, port, (NEW, OLD))
        async with home.make() as node:
            await wait_until(lambda: "hub" in node.links)
            assert hub.counters["wrong_secret"] == 1
        lab = Machine("lab", 0, port, (OLD, NEW))
        async with lab.make() as node:
            await wait_until(lambda: "hub" in node.links)
            assert hub.counters["wrong_secret"] == 1
