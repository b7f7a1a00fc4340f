"""Both ends of the relay benchmark, in one process: what A sends, B has to receive."""

from __future__ import annotations

import asyncio
import base64
import time

import attrs
import msgspec

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.directory import NodeRecord, SignedRecord
from clawmatrix_core.members.identity import Identity, psk_from_secret
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.wire.codec import Header, decode_header, encode_header, join, split
from clawmatrix_mesh.links.channel import Credentials
from clawmatrix_mesh.links.handshake import prove
from tests.benchmarks.mesh import SECRET
from tests.benchmarks.raw_websocket import RawConnection, client_frame, dial

__all__ = ["A", "B", "Ends", "bare_ends", "frames_of", "mesh_ends"]

A, B, RELAY = NodeId("a"), NodeId("b"), NodeId("relay")
_KEYS = (b"k" * 32, b"K" * 32)
_DISTINCT = 16
_HEADERS = b'{"type":"bench"'


def frames_of(size: int) -> list[bytes]:
    """Return sealed frames from A to B that have this many bytes, header and all."""
    session = Session(b"a-and-b.", B, *_KEYS, "b", 0.0)
    header = Header("bench", "e" * 24, A, B, 1_790_000_000_000, "sealed")
    line = encode_header(header)
    room = size - len(join(line, session.seal(line, b"b")))
    assert room >= 0, f"a frame has at least {size - room} bytes"
    return [join(line, session.seal(line, b"b" + bytes(room))) for _ in range(_DISTINCT)]


@attrs.define
class Ends:
    """A's and B's connections to one relay."""

    a: RawConnection
    b: RawConnection
    ttl_lost: int
    sessions: dict[NodeId, Session] = attrs.field(factory=dict)
    _size: int = 0
    _arrived: int = 0
    _last: bytes = b""

    def __attrs_post_init__(self) -> None:
        for name, end in ((A, self.a), (B, self.b)):
            end.on_message = lambda message, name=name: self._take(name, message)

    async def frames_per_second(self, frames: list[bytes], count: int, window: int) -> float:
        """Send this many, a window of them in flight; return the rate. All have to arrive."""
        wire = [client_frame(frame) for frame in frames]
        self._expect(frames)
        done = asyncio.get_running_loop().create_future()
        sent = 0

        def top_up() -> None:
            nonlocal sent
            room = min(window - (sent - self._arrived), count - sent)
            if room > 0:
                pieces = [wire[(sent + at) % len(wire)] for at in range(room)]
                self.a.transport.write(b"".join(pieces))
                sent += room
            elif self._arrived == count and not done.done():
                done.set_result(None)

        self.b.on_batch = top_up
        began = time.perf_counter()
        top_up()
        await asyncio.wait_for(done, 60)
        took = time.perf_counter() - began
        self.b.on_batch = lambda: None
        self._check(frames, count)
        return count / took

    async def latency(self, frames: list[bytes], count: int) -> list[float]:
        """Send one at a time; return the microseconds each took one way."""
        wire = client_frame(frames[-1])
        self._expect(frames)
        loop = asyncio.get_running_loop()
        found: list[float] = []
        for number in range(count):
            arrived = loop.create_future()

            def note(number: int = number, arrived: asyncio.Future[float] = arrived) -> None:
                if self._arrived == number + 1 and not arrived.done():
                    arrived.set_result(time.perf_counter())

            self.b.on_batch = note
            began = time.perf_counter()
            self.a.transport.write(wire)
            found.append((await asyncio.wait_for(arrived, 10) - began) * 1e6)
        self.b.on_batch = lambda: None
        self._check(frames[-1:], count)
        return found

    def _expect(self, frames: list[bytes]) -> None:
        self._size, self._arrived = len(frames[0]), 0

    def _check(self, frames: list[bytes], count: int) -> None:
        """Hold what came last to what was sent: whole, and lowered where it should be."""
        assert self._arrived == count, f"{self._arrived} of {count} frames arrived"
        sent = frames[(count - 1) % len(frames)]
        assert self._last[1:] == sent[1:], "a frame was altered"
        assert self._last[0] == sent[0] - self.ttl_lost, "the ttl is not what it should be"
        wire = split(self._last)
        opened = Session(b"a-and-b.", A, *_KEYS[::-1], "a", 0.0).open(wire.line, wire.body)
        assert opened[:1] == b"b"

    def _take(self, name: NodeId, message: memoryview) -> None:
        if len(message) == self._size and message[1:16] == _HEADERS and name == B:
            self._arrived += 1
            self._last = bytes(message)
            return
        self._take_control(name, bytes(message))

    def _take_control(self, name: NodeId, message: bytes) -> None:
        """Answer the relay's heartbeats, so that it keeps the link."""
        wire = split(message)
        header = decode_header(wire.line)
        payload = msgspec.json.decode(self.sessions[name].open(wire.line, wire.body)[1:])
        assert header.type != "undeliverable", payload
        if header.type == "heartbeat":
            end = self.a if name == A else self.b
            answer = _seal(self.sessions[name], name, "heartbeat_ack", {"t": payload["t"]})
            end.transport.write(client_frame(answer))

    async def close(self) -> None:
        """Close both."""
        await self.a.close()
        await self.b.close()


def _seal(session: Session, own: NodeId, type_: str, payload: object) -> bytes:
    header = Header(type_, "", own, RELAY, int(time.time() * 1000), "sealed", lane=0)
    line = encode_header(header)
    return join(line, session.seal(line, b"j" + msgspec.json.encode(payload)))


async def bare_ends(address: str) -> Ends:
    """Connect both ends to the bare relay."""
    return Ends(await dial(address, "/a"), await dial(address, "/b"), 0)


async def mesh_ends(address: str) -> Ends:
    """Connect both ends to a node: the real handshake, as two other nodes."""
    connections, sessions = {}, {}
    for name in (A, B):
        connections[name] = await dial(address)
        proved = await prove(connections[name], _credentials(name), dialled=True)
        sessions[name] = proved.session
    return Ends(connections[A], connections[B], 1, sessions)


def _credentials(name: NodeId) -> Credentials:
    identity = Identity.generate()
    record = NodeRecord(
        name,
        base64.b64encode(identity.sign_public).decode(),
        base64.b64encode(identity.channel_public).decode(),
        epoch=1,
        seq=1,
        instance=f"{name}1",
        links={RELAY: 1.0},
    )
    signed = SignedRecord.make(record, identity)
    psk = psk_from_secret(SECRET)
    return Credentials(
        name, identity, lambda: (psk,), f"{name}1", lambda: signed, time.monotonic, time.time
    )
