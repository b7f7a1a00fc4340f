"""What a frame costs inside a node: dispatch through the plugins' tables, and the codec.

``python -m tests.benchmarks.bench_dispatch --out results.json``
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pluggy

from clawmatrix_core import hookspecs
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
from clawmatrix_core.wire.codec import Header, decode_header, encode_header, join
from clawmatrix_core.wire.frames import Frame
from clawmatrix_core.wire.link import Link
from tests.benchmarks.harness import Report, compare, interleave, options, pinned, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.scope import PluginScope

HOME, OFFICE = NodeId("home"), NodeId("office")
LIMIT = "<= 10 us"
SIZES = (256, 4096, 65536)


class _Probe:
    """Takes frames of one type, and answers exchanges by reading them to their end."""

    plugin_name = "probe"

    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        """Keep the scope."""
        self.scope = scope

    @hookimpl
    @frame_types("taken")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        """Take it."""
        return True

    async def swallow(self, exchange: Exchange) -> None:
        """Read an exchange to its end."""
        async for _ in exchange:
            pass


class _Bare:
    """One implementation of the frame hook, as pluggy alone calls it."""

    @hookimpl
    def frame_received(self, node: Node, frame: Frame) -> None:
        """Leave it."""


def _header(type_: str, id_: str = "e" * 24, seq: int = 0) -> Header:
    return Header(type_, id_, OFFICE, HOME, 1_790_000_000_000, "sealed", seq=seq, limit=262144)


def _frame(type_: str, id_: str = "e" * 24, seq: int = 0, payload: Any = None) -> Frame:
    return Frame(_header(type_, id_, seq), payload, None, 0)


def _each(call: Callable[..., object], *arguments: object, calls: int) -> Callable[[], float]:
    """Return a case that gives the microseconds of one call."""

    def case() -> float:
        repeat = range(calls)
        began = time.perf_counter()
        for _ in repeat:
            call(*arguments)
        return (time.perf_counter() - began) / calls * 1e6

    return case


class _Delivery:
    """Frames into open exchanges, taken in and read."""

    def __init__(self, node: Node, probe: _Probe, link: Link, frames: int) -> None:
        self._node = node
        self._probe = probe
        self._link = link
        self._frames = frames
        self._number = 0
        self.office = Session(b"s" * 8, HOME, b"k" * 32, b"K" * 32, "far", 0.0)

    def _open(self) -> str:
        self._number += 1
        id_ = f"{self._number:024x}"
        self._node.accept(_frame("taken", id_), self._probe.swallow, self._probe.scope)
        return id_

    def opened(self) -> float:
        """Give frames that are opened already to their exchange."""
        id_ = self._open()
        frames = [_frame("data", id_, seq, b"x" * 32) for seq in range(1, self._frames + 1)]
        deliver = self._node.switch.deliver
        began = time.perf_counter()
        for frame in frames:
            deliver(frame)
        return self._end(id_, began)

    def sealed(self) -> float:
        """Give whole messages, as a link brings them."""
        id_ = self._open()
        headers = (_header("data", id_, seq) for seq in range(1, self._frames + 1))
        lines = map(encode_header, headers)
        messages = [join(line, self.office.seal(line, b"b" + b"x" * 32)) for line in lines]
        deliver = self._node.switch.on_message
        began = time.perf_counter()
        for message in messages:
            deliver(self._link, message)
        return self._end(id_, began)

    def _end(self, id_: str, began: float) -> float:
        took = time.perf_counter() - began
        [end] = [end for end in self._node.exchanges.live if end.envelope.id == id_]
        assert end.receiving.inbox.expected == self._frames + 1, end
        self._node.switch.deliver(_frame("cancel", id_, self._frames + 1))
        return took / self._frames * 1e6


def _config() -> Config:
    return Config.from_mapping(
        {
            "node_id": HOME,
            "secret": "s" * 40,
            "mesh": {"listen": "127.0.0.1:0"},
            "http": {"listen": "127.0.0.1:0", "token": "t" * 32},
        }
    )


async def _dispatch(report: Report, rounds: int, calls: int) -> None:
    probe = _Probe()
    built_in = ["mesh", "relay", "http", "control", "model-proxy"]
    node = Node(_config(), plugins=[*built_in, probe], state=MemoryState(), watchdog=True)
    async with node:
        active = [info for info in node.plugins.active() if info.plugin is not probe]
        assert len(active) == len(built_in), node.plugins.list()
        takers = [info for info in active if "frame_received" in info.hooks]
        report.settings |= {
            "plugins": [info.name for info in node.plugins.active()],
            "frame_hooks": len(takers) + 1,
        }
        connection = await _connection()
        session = Session(b"s" * 8, OFFICE, b"K" * 32, b"k" * 32, "far", node.clock.now())
        node.sessions.add_link(session)
        link = Link(connection, peer=OFFICE, session=session, dialled=True, instance="far")
        cases = _dispatch_cases(node, len(takers) + 1, calls)
        delivery = _Delivery(node, probe, link, min(calls, 1000))
        cases |= {"delivery": delivery.opened, "sealed": delivery.sealed}
        found: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, values in interleave(cases, 1).items():
                found[name] += values
            await anyio.lowlevel.checkpoint()  # what was delivered is read, and the exchanges end
    _add_dispatch_rows(report, found)


def _dispatch_cases(node: Node, implementations: int, calls: int) -> dict[str, Callable[[], float]]:
    manager = pluggy.PluginManager("clawmatrix")
    manager.add_hookspecs(hookspecs)
    for _ in range(implementations):
        manager.register(_Bare())
    taken, untaken = _frame("taken"), _frame("nobody")
    bare = manager.hook.frame_received
    plain = _Bare().frame_received
    dispatch = node.plugins.hooks.frame
    return {
        "taken": _each(dispatch, node, taken, calls=calls),
        "untaken": _each(dispatch, node, untaken, calls=calls),
        "pluggy": _each(lambda: bare(node=node, frame=taken), calls=calls),
        "plain": _each(lambda: plain(node=node, frame=taken), calls=calls),
    }


def _add_dispatch_rows(report: Report, found: dict[str, list[float]]) -> None:
    pluggy_, plain = found["pluggy"], found["plain"]
    for name, words in (
        ("taken", "dispatch of a frame that a plugin takes"),
        ("untaken", "dispatch of a frame that no plugin takes"),
    ):
        row = compare(words, "us", "lower", found[name], pluggy_, peer_name="pluggy", target=LIMIT)
        report.add(row)
    words = "the same hook as a plain call"
    report.add(compare(words, "us", "lower", plain, pluggy_, peer_name="pluggy"))
    words = "a frame to the exchange that waits for it"
    report.add(compare(words, "us", "lower", found["delivery"], target=LIMIT))
    words = "the same, from the bytes of the link: split, decode, open"
    report.add(compare(words, "us", "lower", found["sealed"]))


async def _connection() -> Any:
    transport = MemoryTransport(MemoryHub())
    async with transport.listen("memory://bench"):
        return await transport.dial("memory://bench")


def _codec(report: Report, rounds: int, calls: int) -> None:
    header = _header("data", seq=7)
    line = encode_header(header)
    plain = json.loads(line)
    found = interleave(
        {
            "encode": _each(encode_header, header, calls=calls),
            "dumps": _each(json.dumps, plain, calls=calls),
            "decode": _each(decode_header, line, calls=calls),
            "loads": _each(json.loads, line, calls=calls),
        },
        rounds,
    )
    name = "json"
    encode, decode = "a header written", "a header read"
    dumps, loads = found["dumps"], found["loads"]
    report.settings["header_bytes"] = len(line)
    report.add(compare(encode, "us", "lower", found["encode"], dumps, peer_name=name))
    report.add(compare(decode, "us", "lower", found["decode"], loads, peer_name=name))
    for size in SIZES:
        found = interleave(_sealing(line, size, max(50, calls // 10)), rounds)
        for words, values in found.items():
            report.add(compare(f"{words}, {size} B", "us", "lower", values))


def _sealing(line: bytes, size: int, calls: int) -> dict[str, Callable[[], float]]:
    office = Session(b"s" * 8, HOME, b"k" * 32, b"K" * 32, "far", 0.0)
    home = Session(b"s" * 8, OFFICE, b"K" * 32, b"k" * 32, "near", 0.0)
    payload = b"b" + bytes(size)

    def opened() -> float:
        took = 0.0
        for _ in range(0, calls, 10):  # a body opens once, and comes fresh from the network
            bodies = [office.seal(line, payload) for _ in range(10)]
            began = time.perf_counter()
            for body in bodies:
                home.open(line, body)
            took += time.perf_counter() - began
        return took / (-(-calls // 10) * 10) * 1e6

    return {"a body sealed": _each(office.seal, line, payload, calls=calls), "opened": opened}


def main() -> None:
    """Run the benchmark."""
    parser = options("Cost of a frame inside a node.", rounds=15)
    arguments = parser.parse_args()
    rounds, calls = (2, 50) if arguments.tiny else (arguments.rounds, 5000)
    report = Report("dispatch", settings={"rounds": rounds, "calls": calls})
    report.versions = versions(["clawmatrix", "pluggy", "msgspec", "cryptography", "anyio"])
    with pinned(1) as is_pinned:
        report.settings["pinned"] = is_pinned
        anyio.run(_dispatch, report, rounds, calls)
        _codec(report, rounds, calls)
    report.save(arguments.out)


if __name__ == "__main__":
    main()
