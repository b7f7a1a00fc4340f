"""Nodes over a transport that is checked, and a hand on each of their connections."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.discovery import GROUP
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.wire.transport import Connection, Listener, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.state.folder import State
    from clawmatrix_core.testing.acceptance.case import TransportCase
    from clawmatrix_core.wire.frames import Frame

__all__ = ["FaultyConnection", "Network", "notes_of", "until"]

SECRET = "the secret of nodes that check a transport"
WAIT_LIMIT = 10.0
HEARTBEAT = 0.2
LIMITS = {
    "handshake": 3.0,
    "ping": 1.0,
    "backoff": 0.05,
    "backoff_most": 0.4,
    "steady": 0.5,
    "twin_wait": 0.3,
    "self_wait": 0.3,
    "drain": 0.3,
}
"""The limits of links, shortened. Seconds."""


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition. Raises: AssertionError, saying what did not happen."""
    with anyio.move_on_after(WAIT_LIMIT):
        while not condition():  # noqa: ASYNC110 - whatever it is, it has no event
            await anyio.sleep(0.005)
        return
    raise AssertionError(f"not within {WAIT_LIMIT:g} s: {what}")


class FaultyConnection(Connection):
    """One end of a connection, which can be made to fail in the ways that networks do."""

    def __init__(self, inner: Connection, *, dialled: bool) -> None:
        self.remote = inner.remote
        self.inner = inner
        self.dialled = dialled
        self.open = True
        self._dead = False
        self._choked = False
        self._gone = anyio.Event()
        self._receiving = anyio.CancelScope()

    def die(self) -> None:
        """Carry nothing any more, in either direction, and say nothing of it."""
        self._dead = True
        self._receiving.cancel()

    def choke(self) -> None:
        """Take nothing any more."""
        self._choked = True

    def lose(self) -> None:
        """Be lost at this end, while the other end sees nothing of it."""
        self.die()
        self._gone.set()

    async def send(self, message: bytes) -> None:
        if self._choked or self._gone.is_set():
            await self._gone.wait()
            raise ConnectionLost("lost on the way")
        if not self._dead:
            await self.inner.send(message)

    async def receive(self) -> bytes:
        with anyio.CancelScope() as self._receiving:
            if not self._dead:
                try:
                    return await self.inner.receive()
                except ConnectionLost:
                    if not self._dead:
                        raise
        await self._gone.wait()
        raise ConnectionLost("lost on the way")

    def limit(self, size: int) -> None:
        self.inner.limit(size)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.open = False
        self._gone.set()
        if not self._dead:
            await self.inner.close(code, reason)


class _Listener(Listener):
    def __init__(self, inner: Listener, address: str, ends: list[FaultyConnection]) -> None:
        self.addresses = (address,)
        self._inner = inner
        self._ends = ends

    async def accept(self) -> Connection:
        self._ends.append(FaultyConnection(await self._inner.accept(), dialled=False))
        return self._ends[-1]


class _Transport(Transport):
    """Names in place of addresses: ``link://name``."""

    schemes = ("link",)

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inner = network.case.transport()

    async def dial(self, address: str) -> Connection:
        network = self._network
        network.dials.append((address, anyio.current_time()))
        real = network.addresses.get(address)
        if real is None:
            raise DialError(f"nobody listens at {address}")
        network.ends.append(FaultyConnection(await self._inner.dial(real), dialled=True))
        return network.ends[-1]

    @asynccontextmanager
    async def listen(self, address: str) -> AsyncIterator[Listener]:
        network = self._network
        if not network.free:
            raise OSError(errno.EADDRNOTAVAIL, "a case has two addresses")
        place = network.free.pop(0)
        try:
            async with self._inner.listen(place) as listener:
                network.addresses[address] = listener.addresses[0]
                yield _Listener(listener, address, network.ends)
        finally:
            network.addresses.pop(address, None)
            network.free.append(place)


class _Plugin:
    """Brings the transport to a node, and takes notes for it."""

    plugin_name = "checked-transport"

    def __init__(self, network: Network) -> None:
        self._network = network
        self.notes: list[Any] = []

    @hookimpl
    def register_transports(self) -> list[Transport]:
        """Add ``link``."""
        return [_Transport(self._network)]

    @hookimpl
    def frame_received(self, frame: Frame) -> bool | None:
        """Take a note."""
        if frame.header.type != "note":
            return None
        self.notes.append(frame.payload)
        return True


class Network:
    """The names that listen, the connections there are, and the dials there were.

    Attributes:
        case: the transport that is checked.
        addresses: the real address of each name that listens.
        free: the case's addresses at which nobody listens.
        ends: both ends of every connection, open or not.
        dials: each name that was dialled, with the time.
    """

    def __init__(self, case: TransportCase) -> None:
        self.case = case
        self.addresses: dict[str, str] = {}
        self.free = [case.address, case.other]
        self.ends: list[FaultyConnection] = []
        self.dials: list[tuple[str, float]] = []

    def node(
        self,
        name: str,
        *,
        listens: bool = False,
        dials: tuple[str, ...] = (),
        secret: str = SECRET,
        identity: Identity | None = None,
        state: State | None = None,
        protocol: tuple[int, int] | None = None,
        **limits: float,
    ) -> Node:
        """Return a node to enter. ``limits`` replace those of all nodes here."""
        mesh: dict[str, object] = {"peers": [f"link://{name}" for name in dials]}
        mesh["heartbeat"] = limits.pop("heartbeat", HEARTBEAT)
        if listens:
            mesh["listen_url"] = f"link://{name}"
        return Node(
            Config.from_mapping({"node_id": name, "secret": secret, "mesh": mesh}),
            plugins=[_mesh_plugin(LIMITS | limits, protocol), _Plugin(self)],
            state=state or MemoryState(),
            identity=identity,
            watchdog=False,
        )

    def open_ends(self, *, dialled: bool) -> list[FaultyConnection]:
        """Return the ends that are open on one side."""
        return [end for end in self.ends if end.open and end.dialled == dialled]

    async def close(self) -> None:
        """Close every connection, dead ones too."""
        async with anyio.create_task_group() as tasks:
            for end in self.ends:
                tasks.start_soon(end.inner.close)


def _mesh_plugin(limits: Mapping[str, float], protocol: tuple[int, int] | None) -> object:
    # By its entry point, as a node finds it: the core imports no plugin.
    entry = next(iter(metadata.entry_points(group=GROUP, name="mesh")))
    mesh: Any = entry.load()
    chosen = {} if protocol is None else {"protocol": protocol}
    return mesh(limits=mesh.Limits(**limits), **chosen)


def notes_of(node: Node) -> list[Any]:
    """Return the payloads of the notes that a node was sent."""
    info = node.plugins.get(_Plugin.plugin_name)
    assert info is not None
    assert isinstance(info.plugin, _Plugin)
    return info.plugin.notes
