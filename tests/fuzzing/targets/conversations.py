"""Sessions, frames and exchanges between nodes: real messages altered, repeated, out of order."""

from __future__ import annotations

import json
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import msgspec

from clawmatrix_core.base.errors import ExchangeError, RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.wire.codec import Header, encode_header, join
from clawmatrix_core.wire.frames import Frame
from tests.core.exchange.exchange_pair import Pair, Sent
from tests.core.kernel.switch_net import Net as Switches
from tests.core.sessions.session_net import Message, Net
from tests.fuzzing.script import Script
from tests.fuzzing.target import Target

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.exchange.exchanges import Exchanges
    from tests.core.kernel.switch_net import Station

__all__ = ["TARGETS"]

TURNS = 48
"""Things that happen in one input at most."""
SESSIONS = 16
"""Sessions that two nodes may have with each other, half-open ones among them."""


# --- sessions


def sessions(data: bytes) -> None:
    """Come between two nodes: what they hear is what was said, once; then they go on."""
    script = Script(data)
    net = Net("home", "office")
    said: list[bytes] = []
    for _ in range(TURNS):
        if not script:
            break
        _session_turn(net, script, said)
    net.run()
    for end in net.ends.values():
        heard = [text for _, text in end.heard]
        assert len(set(heard)) == len(heard), "something was heard twice"
        assert set(heard) <= set(said), "something was heard that was not said"
        assert len(end.sessions.all) <= SESSIONS
    _still_talk(net)


def _session_turn(net: Net, script: Script, said: list[bytes]) -> None:
    names = list(net.ends)
    end, peer = (net.ends[name] for name in (names if script.below(2) else names[::-1]))
    match script.below(12):
        case 0 | 1 | 2:
            said.append(b"text %d" % len(said))
            end.say(peer.name, said[-1])
        case 3:
            net.run()
        case 4 if net.flying:
            net.ends[net.flying[-1].header.to].take(net.flying.pop())
        case 5 if net.flying:
            net.flying.pop(script.below(len(net.flying)))
        case 6:
            net.pass_time((0.3, 1.5, 6.0, 31.0)[script.below(4)])
        case 7 if net.log:
            end.take(script.pick(net.log))
        case 8 | 9 if net.log:
            end.take(_altered(script, script.pick(net.log), net.log))
        case 10 if script.below(4) == 0:
            net.start(end.name, run=2 + script.below(3))
        case _:
            net.run()


def _altered(script: Script, message: Message, log: list[Message]) -> Message:
    match script.below(6):
        case 0 | 1:
            return attrs.evolve(message, body=script.mangle(message.body, [m.body for m in log]))
        case 2:
            return attrs.evolve(message, line=script.mangle(message.line))
        case 3:
            return attrs.evolve(message, body=script.pick(log).body)
        case 4:
            source = script.pick((NodeId("home"), NodeId("office"), NodeId("nobody")))
            header = msgspec.structs.replace(message.header, source=source)
            return attrs.evolve(message, header=header)
        case _:
            header = msgspec.structs.replace(message.header, id=script.pick(log).header.id)
            return attrs.evolve(message, header=header)


def _still_talk(net: Net) -> None:
    """Make sure that both are heard again, before long."""
    home, office = net.ends.values()
    for end, peer in ((home, office), (office, home)):
        for _ in range(60):
            end.say(peer.name, b"still here")
            net.run()
            if (end.name, b"still here") in peer.heard:
                break
            net.pass_time(1.5)
        else:
            raise AssertionError(f"{end.name} is not heard any more: {end.sessions!r}")


# --- the switch, and a member that says what it likes


class Tapped(Switches):
    """Switches whose messages are kept."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.log: list[bytes] = []

    def waiting(self, source: str, target: str) -> list[bytes]:
        messages = super().waiting(source, target)
        self.log += messages
        return messages


def switch(data: bytes) -> None:
    """Be a neighbour that sends anything: only that may cost the link, and others go on."""
    anyio.run(_switch, data)


async def _switch(data: bytes) -> None:
    script = Script(data)
    net = Tapped("home", "mallory", "office")
    net.join("home", "office")
    net.join("mallory", "office")
    office = net["office"]
    office.handlers = {"sum": _sum, "never": _never}
    async with office.scope:
        async with net["mallory"].exchanges.open(office.name, "never", [1]):
            await net.settle()
            for _ in range(TURNS):
                if not script or await _switch_turn(net, script):
                    break
        await net.pass_time(1.0)
        assert office.faults == []
        assert len(office.sessions.all) <= SESSIONS
        assert await _answered(net) == [2], "the others are not answered any more"


async def _switch_turn(net: Tapped, script: Script) -> bool:
    """Have one message arrive at office, by the link of a member; True where that costs it."""
    mallory, office, log = net["mallory"], net["office"], net.log
    match script.below(10):
        case 0:
            await net.pass_time((0.25, 0.5, 1.0, 3.0)[script.below(4)])
            return False
        case 1 | 2:
            message = script.mangle(script.pick(log), log)
        case 3:
            message = script.pick(log)
        case 4:
            body = script.mangle(script.pick(log).partition(b"\n")[2])
            message = join(encode_header(_header(script, mallory, office, "bytes")), body)
        case _:
            line = encode_header(_header(script, mallory, office, "sealed"))
            session = mallory.sessions.sending(office.name)
            assert session is not None
            message = join(line, session.seal(line, _plain(script)))
    log.append(message)
    try:
        office.switch.on_message(office.link("mallory"), message)
    except RemoteProtocolError:
        return True
    return False


async def _answered(net: Tapped) -> Any:
    answers: list[Any] = []

    async def ask() -> None:
        table = net["home"].exchanges
        async with table.open(net["office"].name, "sum", [2], complete=True) as asked:
            answers.append(await asked.receive())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await net.pass_time(2.0)
        tasks.cancel_scope.cancel()
    return answers[0] if answers else None


TYPES = (
    "sum",
    "never",
    "data",
    "error",
    "cancel",
    "credit",
    "credits",
    "probe",
    "unknown",
    "session_open",
    "session_accept",
    "session_unknown",
    "session_proof",
    "note",
)
NUMBERS = (0, 1, 2, 3, 7, 64, 4096, 2**31, 2**53 - 2)
IDS = ("", "id0", "id1", "id2", "mine", "other", "x" * 64)


def _header(script: Script, source: Station, to: Station, body: Any) -> Header:
    name = source.name if script.below(8) else script.pick((NodeId("home"), NodeId("nobody")))
    return Header(
        script.pick(TYPES),
        script.pick(IDS),
        name,
        to.name,
        script.pick(NUMBERS),
        body,
        script.pick(NUMBERS),
        bool(script.below(2)),
        bool(script.below(2)),
        script.pick(NUMBERS),
        script.pick(NUMBERS),
        script.pick(NUMBERS),
        script.pick((0, 1, 2)),
    )


PLAIN = (
    b"j[1,2,3]",
    b'j[["id0",false,1,4096],["id1",true,2,9]]',
    b'j[["home-0",false,9,4096],["office-1",true,0,9]]',
    b"j",
    b"b",
    b"bbytes",
    b'j{"code":"not_found","message":"words","detail":{"a":1}}',
    b'j{"code":5,"message":[],"begun":"no"}',
    b"x",
    b'm{"a":1}\nbytes',
    b'j"\xff"',
    b"b" + bytes(70_000),
    b"j" + b"[" * 5000,
)


def _plain(script: Script) -> bytes:
    plain = script.pick(PLAIN)
    return script.mangle(plain, PLAIN) if script.below(2) else plain


async def _sum(ex: Exchange) -> None:
    await ex.finish(ex.request)


async def _never(ex: Exchange) -> None:
    async for _ in ex:
        pass


# --- one exchange after another


def exchanges(data: bytes) -> None:
    """Alter the frames of exchanges under way: each ends, nothing stays behind."""
    anyio.run(_exchanges, data)


async def _exchanges(data: bytes) -> None:
    script = Script(data)
    async with Pair() as pair, anyio.create_task_group() as tasks:
        for side in pair.sides.values():
            side.handlers = {"echo": _echo, "sum": _sum}
        asking: set[int] = set()
        for number in range(1 + script.below(3)):
            side = script.pick((pair.home, pair.office))
            tasks.start_soon(_ask, side.table, side.peer, number, asking)
        for _ in range(TURNS):
            if not script:
                break
            await _exchange_turn(pair, script)
        await pair.settle()
        for _ in range(18):
            if all(side.is_idle() for side in pair.sides.values()):
                break
            await pair.pass_time(5.0)
        for side in pair.sides.values():
            assert side.is_idle(), f"left over: {side.table.live}"
            assert side.faults == []
        assert not asking, "somebody still waits for an exchange that is over"


async def _ask(table: Exchanges, peer: NodeId, number: int, asking: set[int]) -> None:
    asking.add(number)
    try:
        async with table.open(peer, "echo" if number else "sum", {"n": 1}, deadline=20.0) as ex:
            for size in range(3):
                await ex.send(b"x" * 1000 * size)
            await ex.finish()
            async for _ in ex:
                pass
    except ExchangeError:
        pass
    finally:
        asking.discard(number)


async def _echo(ex: Exchange) -> None:
    async for part in ex:
        await ex.send(part)
    await ex.finish()


async def _exchange_turn(pair: Pair, script: Script) -> None:
    match script.below(8):
        case 0:
            await pair.settle()
        case 1:
            await pair.pass_time((0.25, 1.5, 11.0)[script.below(3)])
        case 2 if pair.log:
            pair.arrive(script.pick(pair.log))
        case 3 if pair.flying:
            pair.flying.rotate(1)
            pair.deliver_one()
        case 4 if pair.flying:
            pair.flying.popleft()
        case 5 if pair.log:
            pair.report(script.pick(pair.log), script.pick(("no_route", "congested", "x" * 500)))
        case _ if pair.log:
            _forge(pair, script)
        case _:
            await pair.settle()


def _forge(pair: Pair, script: Script) -> None:
    """Let a frame arrive that nobody sent in this way."""
    sent: Sent = script.pick(pair.log)
    changes: dict[str, Any] = {}
    for _ in range(1 + script.below(3)):
        name = script.pick(("type", "seq", "re", "fin", "ack", "limit", "deadline", "id"))
        if name == "type":
            changes[name] = script.pick(TYPES[2:9])
        elif name in ("re", "fin"):
            changes[name] = bool(script.below(2))
        elif name == "id":
            changes[name] = script.pick(pair.log).header.id
        else:
            changes[name] = script.pick(NUMBERS)
    header = msgspec.structs.replace(sent.header, **changes)
    plain = _plain(script)
    side = pair.sides[header.to]
    try:
        value = plain[1:] if plain[:1] == b"b" else json.loads(plain[1:] or b"null")
    except (ValueError, RecursionError):
        value = None
    frame = Frame(header, value, None, len(plain), None, side.peer_key)
    with suppress(RemoteProtocolError):  # which the switch counts
        if not side.table.deliver(frame):
            side.table.accept(frame, side.handlers.get(header.type, _sum), side.scope)


def _scripts() -> list[bytes]:
    random = Random("conversations")
    return [random.randbytes(size) for size in (0, 4, 16, 32, 64, 100, 150, 200, 250, 300)]


TARGETS = [
    Target("sessions", sessions, _scripts),
    Target("switch", switch, _scripts),
    Target("exchanges", exchanges, _scripts),
]
