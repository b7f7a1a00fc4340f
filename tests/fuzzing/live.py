"""A live node on real sockets, to which strangers and a member send anything while a friend talks.

``python -m tests.fuzzing.live SECONDS`` prints what was sent; it fails where the friend is not
answered, the node faults, counts nothing, keeps something of those who left, or grows.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.testing.fixtures import wait_until
from tests.fuzzing.edits import edited, random_edits
from tests.fuzzing.memory import GROWTH, resident
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.wire import UPGRADE, Closed, Member, Wire, port_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.kernel.node import Node

__all__ = ["Report", "besiege"]

PREAMBLES = (b'{"clawmatrix":[1,1]}\n' + bytes(48), b'{"clawmatrix":[1,9],"invite":"00"}\n')
REQUESTS = (
    b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer x\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n"
    b'{"model": "m"}\n',
    b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
)
FRAMES: tuple[tuple[str, Any], ...] = (
    ("heartbeat", {"t": 1.5, "records": "0123456789abcdef", "revoked": "0123"}),
    ("heartbeat_ack", {"t": 1.5}),
    ("digest", [["home", 1, 2], ["node", 1, 2], ["lab", 3, 4]]),
    ("records", [{"record": '{"nodeId":"lab"}', "sig": "AAAA"}]),
    ("revocations", {"have": ["0123456789abcdef"]}),
    ("revocations", {"new": [{"revocation": "{}", "sig": "AAAA"}]}),
    (
        "undeliverable",
        {"from": "node", "to": "x", "id": "i", "re": True, "seq": 0, "reason": "ttl", "ttl": 9},
    ),
    ("model_req", {"format": "chat", "model": "m", "stream": True, "headers": {"a": "b"}}),
    ("ping", {"n": 1}),
    ("data", [1]),
    ("error", {"code": "x", "message": "words"}),
    ("cancel", None),
    ("credit", None),
    ("credits", [["a", False, 1, 4096], ["b", True, 2, 9]]),
    ("probe", None),
    ("unknown", None),
    ("session_proof", None),
    ("note", {}),
)
PLUGINS = ("relay", "http", "control", "model-proxy")
TABLES = {"http": {"listen": "127.0.0.1:0"}}
EXCHANGES = ExchangeLimits(lost=5.0, probe_idle=1.0)
LINGER = 60.0
"""Seconds after which nothing of a closed link may be left; see ``sessions``."""
FIELDS = ("id", "seq", "re", "fin", "ack", "limit", "deadline", "lane")
GONE = (Closed, anyio.BrokenResourceError, anyio.EndOfStream, OSError, AssertionError)


@attrs.define
class Report:
    """What was done to the node, and what became of it.

    Attributes:
        sent: inputs, by kind.
        answered: how often the friend was answered.
        counted: what the node counted as refused.
        growth: MiB by which the process was larger in the end than after the first part.
    """

    sent: Counter[str] = attrs.field(factory=Counter)
    answered: int = 0
    counted: int = 0
    growth: float = 0.0


class _Tracebacks(logging.Handler):
    """Collects what was logged with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(self.format(record))


class Siege:
    """The strangers, the member, the friend."""

    def __init__(self, node: Node, home: Node, seed: str) -> None:
        self.node, self.home = node, home
        self.mesh = port_of(address_of(node))
        [section] = [one for one in node.status_sections() if one.name == "http"]
        self.http = port_of(section.read()["listen"])
        self.random = Random(seed)
        self.identities = [Identity.generate(self.random.randbytes) for _ in range(3)]
        self.report = Report()

    async def talk(self) -> None:
        """Ask the node for ever; each answer has to come."""
        while True:
            about = {"n": self.report.answered}
            with anyio.fail_after(20):
                async with self.home.exchange("node", "ping", about, complete=True) as ex:
                    assert await ex.receive() == about
            self.report.answered += 1
            await anyio.sleep(0.01)

    async def press(self, attack: Callable[[], Awaitable[None]]) -> None:
        """Do something to the node for ever, whatever it does in return."""
        while True:
            try:
                with anyio.move_on_after(5):
                    await attack()
            except GONE:
                await anyio.sleep(0.01)

    def altered(self, *things: bytes) -> bytes:
        """Return one of some things, altered most of the time."""
        thing = self.random.choice(things)
        if self.random.random() < 0.1:
            return thing
        return edited(thing, random_edits(self.random), things)

    def are_keys_gone(self) -> bool:
        """Say whether the node has keys for its friend only."""
        return all(session.peer == self.home.id for session in self.node.sessions.all)

    async def raw(self, port: int, kind: str, *things: bytes) -> None:
        """Send bytes to a port, in two parts, and hear what it says."""
        data = self.altered(*things)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            cut = self.random.randrange(len(data) + 1)
            self.report.sent[kind] += 1
            for part in (data[:cut], data[cut:]):
                if part:
                    await stream.send(part)
            await stream.send_eof()
            while True:
                await stream.receive()

    async def stranger(self) -> None:
        """Open a WebSocket and say what no node says first."""
        async with await Wire.open(self.mesh) as wire:
            self.report.sent["handshakes"] += 1
            if self.random.random() < 0.5:
                await wire.send(self.altered(*PREAMBLES))
            else:
                await wire.stream.send(self.altered(*(Wire.frame(one) for one in PREAMBLES)))
            await wire.closed()

    async def member(self) -> None:
        """Be a member that says anything, until its link is closed."""
        number = self.random.randrange(3)
        name = f"mallory{number}"
        async with (
            await Member.join(self.mesh, name, identity=self.identities[number]) as one,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_listen, one, tasks.cancel_scope)
            await self.chatter(one)
            tasks.cancel_scope.cancel()

    async def chatter(self, one: Member) -> None:
        """Say some hundred things, as far as they are listened to."""
        with suppress(*GONE):
            for _ in range(200):
                self.report.sent["frames of a member"] += 1
                await self.frame(one)

    async def frame(self, one: Member) -> None:
        """Send a frame with an altered header, or payload, or neither."""
        type_, payload = self.random.choice(FRAMES)
        chosen = self.random.sample(FIELDS, self.random.randrange(4))
        fields = {name: self._field(name) for name in chosen}
        header = {"type": type_, "id": "", "from": one.name, "to": one.peer, "timestamp": 1}
        line = json.dumps({**header, "body": "sealed", **fields}).encode()
        plain = b"j" + json.dumps(payload).encode()
        if self.random.random() < 0.7:
            plain = plain[:1] + self.altered(plain[1:])
        if self.random.random() < 0.02:
            line = self.altered(line).replace(b"\n", b" ")
        await one.send_sealed(line, plain)

    def _field(self, name: str) -> Any:
        if name in ("re", "fin"):
            return self.random.random() < 0.5
        if name == "id":
            return self.random.choice(("a", "b", "c", "x" * 64))
        return self.random.choice((0, 1, 2) if name == "lane" else (0, 1, 2, 9, 2**31, 2**53 - 1))


async def _listen(one: Member, scope: anyio.CancelScope) -> None:
    with suppress(*GONE):
        await one.wire.closed()
    scope.cancel()


async def besiege(seconds: float, seed: str = "live", *, keys: bool = True) -> Report:
    """Run it all for a while; with ``keys``, wait until those of all sessions are dropped too.

    Raises: AssertionError, TimeoutError.
    """
    tracebacks = _Tracebacks()
    logger = logging.getLogger("clawmatrix")
    logger.addHandler(tracebacks)
    try:
        async with (
            make_node("node", plugins=PLUGINS, tables=TABLES, exchanges=EXCHANGES) as node,
            make_node("home", plugins=("relay", "control"), peers=[address_of(node)]) as home,
        ):
            await wait_until(lambda: home.reachable(node.id) and node.reachable(home.id))
            siege = Siege(node, home, seed)
            await _attack(siege, seconds)
            await _is_as_before(siege)
            if keys:
                await wait_until(siege.are_keys_gone, limit=LINGER)
            faults = [str(info.last_fault) for info in node.plugins.list() if info.faults]
            assert not faults, faults
    finally:
        logger.removeHandler(tracebacks)
    assert not tracebacks.found, tracebacks.found[0]
    return siege.report


async def _attack(siege: Siege, seconds: float) -> None:
    upgrades = (UPGRADE, UPGRADE + Wire.frame(PREAMBLES[0]))
    attacks: tuple[Callable[[], Awaitable[None]], ...] = (
        lambda: siege.raw(siege.mesh, "bytes to the mesh's port", *upgrades),
        lambda: siege.raw(siege.http, "bytes to the HTTP port", *REQUESTS),
        siege.stranger,
        siege.member,
    )
    before = siege.node.counters.total()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(siege.talk)
        for attack in attacks:
            tasks.start_soon(siege.press, attack)
        await anyio.sleep(seconds * 0.4)
        warm = resident()
        await anyio.sleep(seconds * 0.6)
        tasks.cancel_scope.cancel()
    siege.report.growth = resident() - warm
    siege.report.counted = siege.node.counters.total() - before


async def _is_as_before(siege: Siege) -> None:
    """Wait until nothing is left of the attackers, and the friend is still answered."""
    node, report = siege.node, siege.report
    await wait_until(lambda: set(node.links) == {siege.home.id})
    answered = report.answered
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(siege.talk)
        await wait_until(lambda: report.answered > answered + 3)
        tasks.cancel_scope.cancel()
    await wait_until(lambda: not node.exchanges.live, limit=20)
    assert report.counted > 0
    assert report.growth < GROWTH, f"grew by {report.growth:.1f} MiB"


async def _main(seconds: float) -> None:
    tasks = len(asyncio.all_tasks())
    report = await besiege(seconds)
    assert len(asyncio.all_tasks()) == tasks, "tasks are left"
    for kind, count in sorted(report.sent.items()):
        print(f"live node: {count:9,} {kind}")
    print(
        f"live node: a friend was answered {report.answered:,} times meanwhile;"
        f" {report.counted:,} counted; {report.growth:+.1f} MiB"
    )


if __name__ == "__main__":
    anyio.run(_main, float(sys.argv[1]))
