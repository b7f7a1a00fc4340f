"""Whole meshes on the simulated network: real nodes, one process, a virtual clock, one seed."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.identity import Identity, key_text
from clawmatrix_core.members.named_keys import NAMES_MOST
from clawmatrix_core.state.folder import MemoryState, State
from clawmatrix_mesh.plugin import MeshPlugin
from clawmatrix_relay.plugin import RelayPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from anyio.abc import TaskGroup

    from clawmatrix_core.sessions.rekeying import Rekeying
    from clawmatrix_core.testing.simulation import Simulation
    from clawmatrix_core.wire.transport import Transport

__all__ = ["SECRET", "Host", "Mesh", "comes_true", "mesh_of", "random_graph"]

SECRET = "a secret that is only for simulations, and long enough"

Links = frozenset[tuple[str, str]]
"""Pairs of hosts, in each the one that dials first."""


class SimTransportPlugin:
    """Gives a node one host's place on the simulated network."""

    plugin_name = "sim-transport"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @hookimpl
    def register_transports(self, node: Node) -> list[Transport]:
        """Add ``memory``."""
        return [self._transport]


@attrs.define(eq=False)
class Host:
    """A machine of the simulation: what outlives its node, and the node while it runs.

    Its node's name is its own, unless it is a copy of another machine. ``secrets`` are what
    its configuration has: the one to use, and those that are taken beside it.
    """

    name: str
    peers: tuple[str, ...]
    identity: Identity
    node_id: str
    state: State = attrs.field(factory=MemoryState)
    secrets: tuple[str, ...] = (SECRET,)
    node: Node | None = None
    starting: bool = False
    runs: int = 0
    stop: anyio.Event = attrs.field(factory=anyio.Event)
    gone: anyio.Event = attrs.field(factory=anyio.Event)

    @property
    def is_down(self) -> bool:
        """Whether it has no node, nor is about to have one."""
        return self.node is None and not self.starting

    @property
    def running(self) -> Node:
        """The node, where the host has one."""
        assert self.node is not None, f"{self.name} is down"
        return self.node


class Mesh:
    """The hosts of a simulation, and what happens to them.

    Attributes:
        hosts: by name.
        founders: the hosts whose word puts a node out, everywhere.
        faults: what plugins did wrong, in all runs; empty where all is well.
        counters: those of all runs that are over.
    """

    def __init__(
        self,
        simulation: Simulation,
        tasks: TaskGroup,
        plugins: Callable[[Host], Sequence[object]],
        settings: Mapping[str, object],
        rekeying: Rekeying | None = None,
    ) -> None:
        self.simulation = simulation
        self.network = simulation.network
        self.hosts: dict[str, Host] = {}
        self.founders: list[Host] = []
        self.faults: list[str] = []
        self.counters: Counter[str] = Counter()
        self._tasks = tasks
        self._plugins = plugins
        self._settings = settings
        self._rekeying = rekeying

    def add(self, name: str, peers: Iterable[str], *, copy_of: str | None = None) -> Host:
        """Add a host that dials these; it is down until started."""
        node_id = copy_of or name
        identity = Identity.generate(random.Random(f"identity {node_id}").randbytes)
        host = self.hosts[name] = Host(name, tuple(peers), identity, node_id)
        return host

    @property
    def up(self) -> list[Host]:
        """The hosts whose node runs, by name."""
        return [host for _, host in sorted(self.hosts.items()) if host.node is not None]

    async def start(self, name: str) -> Node:
        """Start a host's node; return when it has started."""
        host = self.hosts[name]
        assert host.is_down, f"{name} is up"
        host.starting = True
        host.runs += 1
        host.stop, host.gone = anyio.Event(), anyio.Event()
        node: Node = await self._tasks.start(self._live, host)
        host.starting = False
        return node

    async def crash(self, name: str, *, silent: bool) -> None:
        """End a host's process, without a word where ``silent``; its state stays."""
        host = self.hosts[name]
        self.network.crash(name, silent=silent)
        host.node = None
        host.stop.set()
        await host.gone.wait()

    async def stop(self, name: str) -> None:
        """Stop a host's node in good order."""
        host = self.hosts[name]
        host.stop.set()
        await host.gone.wait()

    async def _live(self, host: Host, *, task_status: anyio.abc.TaskStatus[Node]) -> None:
        node = self._make(host)
        try:
            async with node:
                host.node = node
                task_status.started(node)
                await host.stop.wait()
        finally:
            host.node = None
            self.counters += node.counters
            self._look_for_faults(node)
            host.gone.set()

    def _make(self, host: Host) -> Node:
        name = host.name
        mesh = {
            "listen_url": f"memory://{name}",
            "peers": [f"memory://{peer}" for peer in host.peers],
            "revokers": {
                one.node_id: key_text(one.identity.sign_public)
                for one in self.founders[:NAMES_MOST]
            },
            **{key: v(host) if callable(v) else v for key, v in self._settings.items()},
        }
        transport = SimTransportPlugin(self.network.transport(name))
        return Node(
            Config.from_mapping(
                {
                    "node_id": host.node_id,
                    "secret": host.secrets[0],
                    "previous_secrets": list(host.secrets[1:]),
                    "mesh": mesh,
                }
            ),
            plugins=[MeshPlugin(), RelayPlugin(), transport, *self._plugins(host)],
            state=host.state,
            identity=host.identity,
            clock=Clock(now=self.simulation.now, wall=self.simulation.wall(name)),
            random_source=random.Random(self.simulation.random.getrandbits(64)),
            rekeying=self._rekeying,
            watchdog=False,
        )

    def _look_for_faults(self, node: Node) -> None:
        for info in node.plugins.list():
            if info.faults:
                self.faults.append(f"{node.id}: {info.name}: {info.last_fault}")


@asynccontextmanager
async def mesh_of(
    simulation: Simulation,
    names: Iterable[str],
    links: Links,
    *,
    plugins: Callable[[Host], Sequence[object]] = lambda _: (),
    rekeying: Rekeying | None = None,
    **settings: object,
) -> AsyncIterator[Mesh]:
    """Make and start hosts, and stop them all in the end.

    ``plugins`` gives what a host's node has beside mesh and relay; ``settings`` are its
    mesh table's, each a value or a function of the host.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        mesh = Mesh(simulation, tasks, plugins, settings, rekeying)
        for name in names:
            mesh.founders.append(
                mesh.add(name, sorted(there for here, there in links if here == name))
            )
        try:
            for name in mesh.hosts:
                await mesh.start(name)
            yield mesh
        except Exception as error:  # noqa: BLE001 - raised below, where nothing groups it
            failure = error
        for host in mesh.up:
            host.stop.set()
    if failure is not None:
        raise failure


def random_graph(
    rng: random.Random, names: Sequence[str], degree: float, *, mutual: float = 0.0
) -> Links:
    """Return a random connected graph of about this mean degree.

    ``mutual`` is the probability that both ends of a link dial each other.
    """
    pairs = {(rng.choice(names[:at]), name) for at, name in enumerate(names) if at}
    while len(pairs) < degree * len(names) / 2:
        pairs.add(tuple(sorted(rng.sample(names, 2))))  # type: ignore[arg-type]
    links = set()
    for a, b in sorted(pairs):
        ways = [(a, b), (b, a)]
        rng.shuffle(ways)
        links.update(ways if rng.random() < mutual else ways[:1])
    return frozenset(links)


async def comes_true(condition: Callable[[], bool], *, within: float, step: float = 0.5) -> bool:
    """Look again and again, on the virtual clock, and say whether it came true in time."""
    with anyio.move_on_after(within):
        while not condition():  # noqa: ASYNC110 - nobody could ring a bell for a whole mesh
            await anyio.sleep(step)
    return condition()
