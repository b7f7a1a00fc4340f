"""An attacker's tools: a WebSocket that does as it is told, and a member made by hand.

Nothing here uses the code under test but for the Noise primitives, the session's sealing,
and what makes keys: the bytes are written out, so that they can be wrong.
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity, psk_from_secret
from clawmatrix_core.sessions.noise import XXPSK3, Handshake
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.testing.fixtures import SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import ByteStream

__all__ = ["Closed", "Member", "Wire", "header", "port_of", "record_of", "signed"]

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
BINARY, TEXT, CLOSE, PING = 2, 1, 8, 9
PATIENCE = 10.0
PREAMBLE = b'{"clawmatrix":[1,1]}'


class Closed(Exception):
    """The other end closed, with this code (1006: without a word) and reason."""

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


class Wire:
    """The client's side of a WebSocket, over TCP or TLS."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._read = b""

    @classmethod
    async def open(cls, port: int) -> Wire:
        wire = cls(await anyio.connect_tcp("127.0.0.1", port))
        try:
            await wire.stream.send(UPGRADE)
            with anyio.fail_after(PATIENCE):
                while b"\r\n\r\n" not in wire._read:
                    wire._read += await wire.stream.receive()
        except BaseException:
            await anyio.aclose_forcefully(wire.stream)
            raise
        assert wire._read.startswith(b"HTTP/1.1 101 ")
        wire._read = wire._read.partition(b"\r\n\r\n")[2]
        return wire

    @asynccontextmanager
    async def closed_if_it_fails(self, *, own: bool) -> AsyncIterator[None]:
        """Close the connection where what is inside fails, unless it is somebody else's."""
        try:
            yield
        except BaseException:
            if own:
                await anyio.aclose_forcefully(self.stream)
            raise

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *_: object) -> None:
        await anyio.aclose_forcefully(self.stream)

    @staticmethod
    def frame(payload: bytes, opcode: int = BINARY) -> bytes:
        size = len(payload)
        if size < 126:
            length = bytes([0x80 | size])
        elif size < 65536:
            length = bytes([0x80 | 126]) + size.to_bytes(2)
        else:
            length = bytes([0x80 | 127]) + size.to_bytes(8)
        return bytes([0x80 | opcode]) + length + bytes(4) + payload  # the mask is zero

    async def send(self, payload: bytes, opcode: int = BINARY) -> None:
        """Raises: Closed."""
        try:
            with anyio.fail_after(PATIENCE):
                await self.stream.send(self.frame(payload, opcode))
        except (anyio.BrokenResourceError, OSError):
            raise Closed from None

    async def receive(self) -> bytes:
        """Return the next binary message. Raises: Closed."""
        while True:
            opcode, payload = await self._receive_frame()
            if opcode == BINARY:
                return payload
            if opcode == CLOSE:
                raise Closed(int.from_bytes(payload[:2]), payload[2:].decode())

    async def closed(self) -> Closed:
        """Read on until the other end closes; return how."""
        while True:
            try:
                await self.receive()
            except Closed as closed:
                return closed

    async def _receive_frame(self) -> tuple[int, bytes]:
        first, second = await self._exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self._exactly(2 if size == 126 else 8))
        return first & 0x0F, await self._exactly(size)

    async def _exactly(self, count: int) -> bytes:
        with anyio.fail_after(PATIENCE):
            while len(self._read) < count:
                try:
                    self._read += await self.stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
                    raise Closed from None
        taken, self._read = self._read[:count], self._read[count:]
        return taken


def record_of(name: str, identity: Identity, **changes: Any) -> dict[str, Any]:
    """Return a member's record as JSON, in the names of the wire."""
    return {
        "nodeId": name,
        "signKey": base64.b64encode(identity.sign_public).decode(),
        "channelKey": base64.b64encode(identity.channel_public).decode(),
        "epoch": 1,
        "seq": 1,
        "instance": "0123456789abcdef",
        **changes,
    }


def signed(record: object, identity: Identity) -> dict[str, str]:
    """Return a record with its signature, as it travels."""
    text = record if isinstance(record, str) else json.dumps(record)
    signature = identity.sign(b"clawmatrix record v1\0" + text.encode())
    return {"record": text, "sig": base64.b64encode(signature).decode()}


def header(**fields: Any) -> bytes:
    """Return a header line; ``from_`` stands for ``from``."""
    fields = {"type": "note", "id": "", "timestamp": int(time.time() * 1000), **fields}
    return json.dumps({name.rstrip("_"): value for name, value in fields.items()}).encode()


@attrs.define
class Member:
    """A member of the mesh, by hand: it has the secret, and says what it likes."""

    wire: Wire
    name: str
    identity: Identity
    session: Session
    hash: bytes
    peer: str = ""

    @classmethod
    async def shake(
        cls,
        port: int,
        name: str = "mallory",
        *,
        secret: str = SECRET,
        identity: Identity | None = None,
        wire: Wire | None = None,
        invite: str | None = None,
        psk: bytes | None = None,
    ) -> Member:
        """Go as far as the last Noise message, with a link in mind or an invitation."""
        identity = identity or Identity.generate()
        own, wire = wire is None, wire or await Wire.open(port)
        preamble, label = PREAMBLE, b"clawmatrix link v1\0"
        if invite is not None:
            preamble = b'{"clawmatrix":[1,1],"invite":"' + invite.encode() + b'"}'
            label = b"clawmatrix invitation v1\0"
        noise = Handshake(
            XXPSK3,
            initiator=True,
            static=identity.channel_private,
            psk=psk or psk_from_secret(secret),
            prologue=label + preamble,
        )
        async with wire.closed_if_it_fails(own=own):
            await wire.send(preamble + b"\n" + noise.write())
            noise.read((await wire.receive()).partition(b"\n")[2])
            await wire.send(noise.write())
        session = Session(noise.hash[:8], NodeId(""), *noise.split(), "", 0.0)
        return cls(wire, name, identity, session, noise.hash)

    @classmethod
    async def join(
        cls,
        port: int,
        name: str = "mallory",
        *,
        secret: str = SECRET,
        identity: Identity | None = None,
        wire: Wire | None = None,
        **changes: Any,
    ) -> Member:
        """Go all the way: there is a link after this."""
        member = await cls.shake(port, name, secret=secret, identity=identity, wire=wire)
        async with member.wire.closed_if_it_fails(own=wire is None):
            await member.send_hello(**changes)
            await member.receive_hello()
        return member

    async def __aenter__(self) -> Member:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.__aexit__()

    def proof(self, role: bytes = b"dialled", hash_: bytes | None = None) -> str:
        data = b"clawmatrix hello v1\0" + role + b"\0" + (self.hash if hash_ is None else hash_)
        return base64.b64encode(self.identity.sign(data)).decode()

    def hello(self, **changes: Any) -> dict[str, Any]:
        """Return the payload of a good hello; ``changes`` go into its record."""
        record = record_of(self.name, self.identity, **changes)
        proof = {"proof": self.proof(), "versions": [1, 1]}
        return {**signed(record, self.identity), **proof}

    async def send_hello(self, payload: object = None, **changes: Any) -> None:
        line = header(type="hello", from_=self.name, to="*", body="sealed", lane=0)
        await self.send_sealed(line, self.hello(**changes) if payload is None else payload)

    async def receive_hello(self) -> dict[str, Any]:
        """Return the other end's hello."""
        line, payload = await self.receive()
        assert line["type"] == "hello"
        self.peer = line["from"]
        return dict(payload)

    async def send_sealed(self, line: bytes, payload: object, *, ttl: int = 32) -> None:
        """Send a frame; what is not bytes goes as JSON."""
        plain = payload if isinstance(payload, bytes) else b"j" + json.dumps(payload).encode()
        await self.wire.send(bytes([ttl]) + line + b"\n" + self.session.seal(line, plain))

    async def send(self, type_: str, payload: object, *, ttl: int = 32, **fields: Any) -> None:
        """Send a frame of its own to the node at the other end."""
        fields = {"from_": self.name, "to": self.peer, "body": "sealed", **fields}
        await self.send_sealed(header(type=type_, **fields), payload, ttl=ttl)

    async def receive(self) -> tuple[dict[str, Any], Any]:
        """Return the next frame's header and payload. Raises: Closed."""
        message = await self.wire.receive()
        line, _, body = message[1:].partition(b"\n")
        plain = self.session.open(line, body)
        return json.loads(line), json.loads(plain[1:] or b"null") if plain[:1] == b"j" else plain

    async def receive_type(self, type_: str) -> Any:
        """Return the payload of the next frame of a type."""
        while True:
            line, payload = await self.receive()
            if line["type"] == type_:
                return payload
