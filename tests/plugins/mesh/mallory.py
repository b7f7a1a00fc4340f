"""A relay that is a member by right, but whose code is the attacker's; and who talks through it.

It makes links and answers in its own name like any node. What it has to pass on for others, it
gets as bytes, and does with it what a test says. Home and office dial nobody but it, lab too.
"""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import MemoryState, wait_until
from clawmatrix_core.wire.codec import Header, Lane, with_ttl
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.relays.letters import LettersPlugin, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    import pytest
    from anyio.abc import TaskGroup, TaskStatus

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Transit
    from clawmatrix_core.wire.link import Link

    Act = Callable[["Mallory", "Caught"], None]

__all__ = ["HOME", "LAB", "OFFICE", "Act", "Caught", "Mallory", "Scene", "scene"]

HOME, OFFICE, LAB = NodeId("home"), NodeId("office"), NodeId("lab")


@attrs.frozen
class Caught:
    """A message for another node, as it came in."""

    message: bytes
    header: Header

    @property
    def way(self) -> tuple[str, str]:
        """Who wrote it, and for whom."""
        return (self.header.source, self.header.to)

    @property
    def line(self) -> bytes:
        return self.message[1 : self.message.index(b"\n")]

    @property
    def body(self) -> bytes:
        return self.message[self.message.index(b"\n") + 1 :]

    @property
    def sealed(self) -> bool:
        return self.header.body == "sealed"

    def with_body(self, body: bytes) -> bytes:
        """Return the message with another body."""
        return self.message[: self.message.index(b"\n") + 1] + body

    def with_line(self, line: bytes) -> bytes:
        """Return the message with another header line."""
        return self.message[:1] + line + b"\n" + self.body

    def with_fields(self, **fields: Any) -> bytes:
        """Return the message with other fields in its header; ``from_`` stands for ``from``."""
        header = json.loads(self.line)
        header |= {name.rstrip("_"): value for name, value in fields.items()}
        return self.with_line(json.dumps(header, separators=(",", ":")).encode())


def pass_on(mallory: Mallory, caught: Caught) -> None:
    """Do what an honest relay does."""
    mallory.deliver(caught.header.to, caught.message)


class Mallory:
    """The attacker's code, as a plugin that takes every message for others before the relay's.

    Attributes:
        node: the node it runs in, a member like others.
        act: what it does with a message for another node.
        caught: all of those, in the order in which they came.
        seen: every message that came in over any link, those for itself too.
    """

    plugin_name = "mallory"

    def __init__(self) -> None:
        self.act: Act = pass_on
        self.caught: list[Caught] = []
        self.seen: list[bytes] = []

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Listen in on what comes over its links."""
        self.node = node
        take = node.switch.on_message

        def listen_in(link: Link, message: bytes) -> None:
            self.seen.append(message)
            take(link, message)

        node.switch.on_message = listen_in  # type: ignore[method-assign]

    @hookimpl(tryfirst=True)
    def transit_received(self, transit: Transit) -> bool:
        """Do what the attacker wants."""
        caught = Caught(transit.wire.message, transit.header)
        self.caught.append(caught)
        self.act(self, caught)
        return True

    def deliver(self, to: str, message: bytes) -> None:
        """Send any bytes over a link, as one message."""
        link = self.node.links.get(NodeId(to))
        if link is not None:
            link.enqueue(with_ttl(message, 31) if message[:1] == b"\x20" else message, Lane.CONTROL)

    def write(self, to: str, type_: str, payload: Any, **fields: Any) -> None:
        """Send a frame sealed in its own name, whatever its header says."""
        link = self.node.links[NodeId(to)]
        session = self.node.sessions.sending_on(link.session)
        assert session is not None
        about = {"type": type_, "id": "", "from": "mallory", "to": to, "timestamp": 0}
        line = json.dumps({**about, "body": "sealed", **fields}).encode()
        body = b"j" + json.dumps(payload).encode()
        self.deliver(to, b"\x20" + line + b"\n" + session.seal(line, body))


@attrs.define
class Scene:
    """Who takes part. ``letters`` is what each of the honest ones read, in its present run."""

    mallory: Mallory
    address: str
    tasks: TaskGroup
    caplog: pytest.LogCaptureFixture
    nodes: dict[str, Node] = attrs.field(factory=dict)
    letters: dict[str, LettersPlugin] = attrs.field(factory=dict)
    ends: dict[str, anyio.Event] = attrs.field(factory=dict)
    states: dict[str, MemoryState] = attrs.field(factory=dict)
    more: tuple[str, ...] = ()
    tables: Mapping[str, object] = attrs.field(factory=dict)
    number: int = 0

    async def letter(self, source: str = "home", to: str = "office", **how: Any) -> bool:
        """Have one node write to another; return whether the letter was whole.

        Whatever came of it, nothing was read that was not sent.
        """
        self.number += 1
        letter = await write(self.nodes[source], to, self.number, **how)
        await anyio.sleep(0.02)
        self.letters[to].agrees(letter)
        return letter.whole

    async def is_well(self) -> None:
        """Have the attack end: all talk to each other as if nothing had been."""
        self.mallory.act = pass_on
        await self.talk()

    async def talk(self) -> None:
        """Have all write to each other."""
        for source, to in (("home", "office"), ("office", "home"), ("home", "lab")):
            assert await self.letter(source, to)

    async def counted(self, name: str, reason: str, times: int = 1) -> None:
        """Wait until a node has counted something under a name."""
        counters = self.nodes[name].counters
        await wait_until(lambda: counters[reason] >= times)

    async def counted_by_all(self, reason: str, times: int) -> None:
        """Wait until the honest nodes together have counted something so often."""
        await wait_until(lambda: self.refused_by_all(reason) >= times)

    def refused(self, name: str, reasons: Iterable[str]) -> int:
        """Return how often a node has counted something under one of these names."""
        return sum(self.nodes[name].counters[reason] for reason in reasons)

    def refused_by_all(self, reason: str) -> int:
        """Return how often the honest nodes together have counted something."""
        return sum(self.refused(name, [reason]) for name in self.nodes)

    async def restart(self, name: str) -> None:
        """Stop a node and start it anew, with the state it had; wait until it is reached."""
        self.nodes[name].stop()
        await self.ends[name].wait()
        self.letters[name] = LettersPlugin()
        await self.tasks.start(self.run, name)
        await self.settled()

    async def run(self, name: str, *, task_status: TaskStatus[None]) -> None:
        """Run one of the honest nodes, until it is stopped."""
        node = make_node(
            name,
            plugins=("relay", self.letters.setdefault(name, LettersPlugin()), *self.more),
            tables=self.tables if name == OFFICE else None,
            peers=[self.address],
            exchanges=LIMITS,
            state=self.states.setdefault(name, MemoryState()),
        )
        self.ends[name] = anyio.Event()
        async with node:
            self.nodes[name] = node
            task_status.started()
            await node.wait_stop()
        self.ends[name].set()

    async def settled(self) -> None:
        """Wait until every honest node knows a way to every other, as it runs now."""
        nodes = self.nodes.values()
        await wait_until(lambda: all(_knows(one, other) for one in nodes for other in nodes))

    def logged(self, text: str) -> int:
        """Return how often something was logged."""
        return sum(text in record.getMessage() for record in self.caplog.records)


LIMITS = ExchangeLimits(probe_unacked=0.2, tick=0.05, grace=1.0, lost=4.0)


def _knows(node: Node, other: Node) -> bool:
    """Say whether a node has a way to another, and its record of this run."""
    peer = node.directory.get(other.id)
    return node.reachable(other.id) and peer is not None and peer.record.epoch == other.epoch


@asynccontextmanager
async def scene(
    caplog: pytest.LogCaptureFixture,
    act: Act = pass_on,
    *,
    more: tuple[str, ...] = (),
    tables: Mapping[str, object] | None = None,
) -> AsyncIterator[Scene]:
    """Run the four nodes. In the end: no node faulted, nothing crashed.

    With ``act`` the relay is hostile from the start, else from when ``mallory.act`` is set.
    ``more`` are plugins of the honest nodes, ``tables`` the configuration of office.
    """
    caplog.set_level(logging.INFO)
    mallory = Mallory()
    mallory.act = act
    async with (
        make_node("mallory", plugins=("relay", mallory)) as relay,
        anyio.create_task_group() as tasks,
    ):
        found = Scene(mallory, address_of(relay), tasks, caplog, more=more, tables=tables or {})
        for name in (HOME, OFFICE, LAB):
            await tasks.start(found.run, name)
        await found.settled()
        await found.talk()
        yield found
        for node in (*found.nodes.values(), relay):
            assert not [info.last_fault for info in node.plugins.list() if info.faults]
            node.stop()
        for end in found.ends.values():
            await end.wait()
        tasks.cancel_scope.cancel()
    assert not [one for one in caplog.records if one.exc_info], "a traceback was logged"
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]
