"""The fixtures for tests of plugins, and what they use."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import anyio
import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.annotations import misfits_of_plugin
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.command_line import CommandResult, run_command
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
from clawmatrix_core.testing.reaching import (
    call_control,
    http_client,
    plugin_of,
    reload,
    stream_control,
)
from clawmatrix_core.testing.simulation import Quality, SimNetwork, Simulation, run_simulation
from clawmatrix_core.testing.told import ToldConfig

if TYPE_CHECKING:
    import logging
    import random
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from clawmatrix_core.base.clock import Clock
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.sessions.rekeying import Rekeying
    from clawmatrix_core.state.folder import State
    from clawmatrix_core.wire.transport import Transport

__all__ = [
    "SECRET",
    "CommandResult",
    "MemoryHub",
    "MemoryState",
    "MemoryTransport",
    "MeshFactory",
    "NodeFactory",
    "Quality",
    "SimNetwork",
    "Simulation",
    "call_control",
    "free_port",
    "http_client",
    "mesh",
    "node_factory",
    "plugin_of",
    "reload",
    "run_command",
    "run_simulation",
    "stream_control",
    "wait_until",
]

SECRET = "the secret of a mesh that exists in tests only"
"""The cluster secret of the nodes made here."""
WAIT_LIMIT = 10.0

_MARKERS = (
    "faults_expected: the test makes a plugin fault on purpose",
    "annotations_unchecked: annotations of the test's plugins need not fit their hooks",
)


class _Memory:
    """A plugin that brings the memory transport."""

    plugin_name = "memory"

    def __init__(self, hub: MemoryHub) -> None:
        self._hub = hub

    @hookimpl
    def register_transports(self) -> list[Transport]:
        """Reach the nodes of one hub."""
        return [MemoryTransport(self._hub)]


class NodeOptions(TypedDict, total=False):
    """What ``Node`` takes beside what a NodeFactory gives it."""

    identity: Identity
    clock: Clock
    random_source: random.Random
    logger: logging.Logger
    limits: ExchangeLimits
    rekeying: Rekeying
    watchdog: bool


class NodeFactory:
    """Makes nodes that reach each other in memory, and remembers their plugins' faults.

    Attributes:
        hub: what their addresses, ``memory://NAME``, are looked up in.
        made: the nodes, started or not.
    """

    def __init__(self, make_folder: Callable[[], Path] | None = None) -> None:
        """``make_folder`` makes the folder of a node that has the ``control`` plugin."""
        self.hub = MemoryHub()
        self.made: list[Node] = []
        self._make_folder = make_folder

    def __call__(
        self,
        name: str,
        *,
        dials: Iterable[str] = (),
        plugins: Sequence[str | object] = (),
        built_in: Sequence[str] = ("mesh", "relay"),
        config: Mapping[str, object] | None = None,
        state: State | None = None,
        **options: Unpack[NodeOptions],
    ) -> Node:
        """Return a node to enter with ``async with``.

        Args:
            name: its name; others dial it by that.
            dials: the names of nodes it keeps a link to.
            plugins: plugin objects, classes to make them from, or names.
            built_in: names of plugins that it has beside them, those of ClawMatrix or others that
                are installed. ``http`` listens on a free port, ``control`` has a folder of its
                own, unless ``config`` says otherwise.
            config: more keys and tables of its configuration.
            state: where it keeps its keys; in memory unless given.
            options: what else ``Node`` takes; see NodeOptions.
        """
        told: dict[str, object] = {"node_id": name, "secret": SECRET, **(config or {})}
        chosen: list[str | object] = [*built_in, *plugins]
        if "mesh" in built_in:
            own = {"listen_url": f"memory://{name}", "peers": [f"memory://{n}" for n in dials]}
            told["mesh"] = own | _table(told.get("mesh"))
            chosen.insert(0, _Memory(self.hub))
        if "http" in built_in:
            told["http"] = {"listen": "127.0.0.1:0"} | _table(told.get("http"))
        if "control" in built_in and self._make_folder is not None:
            told.setdefault("state_dir", str(self._make_folder() / "state"))
        config_ = ToldConfig.from_mapping(told)
        node = Node(config_, plugins=chosen, state=state or MemoryState(), **options)
        self.made.append(node)
        return node

    def faults(self) -> list[str]:
        """Return what went wrong in plugins, as node, plugin, how often, and the last fault."""
        return [
            f"{node.id}: {info.name}: {info.faults or info.state}: {info.last_fault or info.reason}"
            for node in self.made
            for info in node.plugins.list()
            if info.faults or info.state == "failed"
        ]

    def misfits(self) -> list[str]:
        """Return which annotations of plugins, other than built-in ones, do not fit their hooks."""
        return [
            f"{info.name}: {misfit}"
            for node in self.made
            for info in node.plugins.list()
            if not info.built_in
            for misfit in misfits_of_plugin(node.plugins.manager, info.name)
            if misfit.resolved  # a class of a test function has names that nobody else can see
        ]


MeshFactory = Callable[..., AbstractAsyncContextManager[dict[str, Node]]]


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def node_factory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeFactory]:
    """Make nodes; see NodeFactory."""
    factory = NodeFactory(lambda: tmp_path_factory.mktemp("node"))
    yield factory
    if request.node.get_closest_marker("faults_expected") is None:
        assert not factory.faults(), "plugins faulted: " + "; ".join(factory.faults())
    if request.node.get_closest_marker("annotations_unchecked") is None:
        misfits = list(dict.fromkeys(factory.misfits()))
        assert not misfits, "annotations do not fit: " + "; ".join(misfits)


@pytest.fixture
def mesh(node_factory: NodeFactory) -> MeshFactory:
    """Run a mesh: ``async with mesh({"relay": [], "home": ["relay"]}) as nodes: ...``.

    The mapping says which nodes each node dials; other arguments go to ``node_factory`` for
    each of them. Inside the block every node can be reached from every other.
    """

    @asynccontextmanager
    async def run(
        dials: Mapping[str, Iterable[str]], **options: Any
    ) -> AsyncIterator[dict[str, Node]]:
        nodes = {name: node_factory(name, dials=to, **options) for name, to in dials.items()}
        async with AsyncExitStack() as stack:
            for node in nodes.values():
                await stack.enter_async_context(node)
            pairs = [(node, other.id) for node in nodes.values() for other in nodes.values()]
            await wait_until(lambda: all(node.reachable(other) for node, other in pairs))
            yield nodes

    return run


async def wait_until(condition: Callable[[], object], *, limit: float = WAIT_LIMIT) -> None:
    """Return once a condition holds. Raises: TimeoutError, after ``limit`` seconds."""
    with anyio.fail_after(limit):
        while not condition():  # noqa: ASYNC110 - whatever the condition is, it has no event
            await anyio.sleep(0.005)


def free_port() -> int:
    """Return a port of the loopback address that was free just now.

    For processes that must be told a port; where the code under test can bind to port 0,
    that is better.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _table(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, dict) else {}
