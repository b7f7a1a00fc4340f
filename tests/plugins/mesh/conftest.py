"""A node to attack, and two others whose exchange must not suffer from it."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import attrs
import pytest

from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_mesh.links.limits import LinkLimits
from clawmatrix_mesh.plugin import MeshPlugin
from tests.plugins.mesh.wire import port_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from random import Random

    from clawmatrix_core.base.clock import Clock
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.state.folder import State

LIMITS = LinkLimits(
    handshake=1.0,
    unproved=16,
    ping=0.5,
    backoff=0.05,
    backoff_most=0.4,
    steady=0.5,
    twin_wait=0.3,
    self_wait=0.3,
    drain=2.0,
)


@attrs.define
class Target:
    """The node under attack, with two others beside it.

    ``home`` dials ``node``; ``lab`` too, and they talk through it all the while.
    """

    node: Node
    home: Node
    lab: Node
    port: int
    rounds: int = 0

    def mesh_status(self) -> Any:
        [section] = [one for one in self.node.status_sections() if one.name == "mesh"]
        return section.read()

    async def talk(self) -> None:
        """Have lab and home exchange pings for ever, each of which has to get through."""
        while True:
            ex: Exchange
            about = {"n": self.rounds}
            async with self.lab.exchange("home", "ping", about, complete=True) as ex:
                assert await ex.receive() == about
            self.rounds += 1
            await anyio.sleep(0.01)

    async def counted(self, reason: str, times: int = 1) -> None:
        await wait_until(lambda: self.node.counters[reason] >= times, limit=60)


def make_node(
    name: str,
    *,
    plugins: tuple[object, ...] = ("relay",),
    limits: LinkLimits = LIMITS,
    tables: Mapping[str, object] | None = None,
    state: State | None = None,
    clock: Clock | None = None,
    identity: Identity | None = None,
    exchanges: ExchangeLimits | None = None,
    random_source: Random | None = None,
    **mesh: Any,
) -> Node:
    told: dict[str, Any] = {"mesh": {}, **(tables or {})}
    told["mesh"] = {"listen": "127.0.0.1:0", "heartbeat": 0.5, **mesh, **told["mesh"]}
    return Node(
        Config.from_mapping({"node_id": name, "secret": SECRET, **told}),
        plugins=[MeshPlugin(limits=limits), *plugins],
        state=state or MemoryState(),
        clock=clock,
        identity=identity,
        limits=exchanges,
        random_source=random_source,
    )


def address_of(node: Node) -> str:
    [section] = [one for one in node.status_sections() if one.name == "mesh"]
    address: str = section.read()["listen"][0]
    return address


PATIENT = 3.0
"""Seconds between heartbeats of nodes that all share a busy event loop with their attacker: a link
that is closed for silence was starved by the attack, and not by a machine that does other work."""


class Attack(Protocol):
    """Runs a node to attack, and two others."""

    def __call__(self, *, heartbeat: float = PATIENT) -> AbstractAsyncContextManager[Target]: ...


@pytest.fixture
def attack(caplog: pytest.LogCaptureFixture) -> Attack:
    """Run a node to attack. In the end: nobody else suffered, and nothing went wrong inside."""
    caplog.set_level(logging.INFO)

    @asynccontextmanager
    async def run(*, heartbeat: float = PATIENT) -> AsyncIterator[Target]:
        async with make_node("node", heartbeat=heartbeat) as node:
            address = address_of(node)
            async with (
                make_node("home", peers=[address], heartbeat=heartbeat) as home,
                make_node("lab", peers=[address], heartbeat=heartbeat) as lab,
                anyio.create_task_group() as tasks,
            ):
                target = Target(node, home, lab, port_of(address))
                await wait_until(lambda: lab.reachable(home.id) and home.reachable(lab.id))
                tasks.start_soon(target.talk)
                await wait_until(lambda: target.rounds >= 3)
                links = dict(node.links)
                yield target
                rounds = target.rounds
                await wait_until(lambda: target.rounds > rounds + 2)
                tasks.cancel_scope.cancel()
                for peer in (home.id, lab.id):
                    assert node.links.get(peer) is links[peer], f"the link to {peer} was lost"
                faults = [info.last_fault for info in node.plugins.list() if info.faults]
                assert not faults
        assert not [one for one in caplog.records if one.exc_info], "a traceback was logged"
        assert not [one for one in caplog.records if one.levelno >= logging.ERROR]

    return run


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[str]]:
    """Return the warnings logged so far that have some text in them."""

    def read(text: str) -> list[str]:
        found = [one for one in caplog.records if one.levelno == logging.WARNING]
        return [message for one in found if text in (message := one.getMessage())]

    return read
