"""Attacks of a few seconds each, by those who can send something to a node.

Each takes the ports and a source of random numbers, and ends by itself. What becomes of it does not
matter here: that it is refused is the matter of other tests, that nothing else suffers is that of
the endurance run.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.revocation import Revocation, SignedRevocation
from tests.plugins.mesh.wire import UPGRADE, Closed, Member, Wire, header, record_of, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from random import Random

    from anyio.abc import SocketStream

__all__ = ["ATTACKS", "Target", "attack"]

LASTS = 20.0
"""Seconds after which an attack is broken off."""
KIB = 1024
REFUSALS = (
    OSError,
    Closed,
    AssertionError,
    TimeoutError,
    ValueError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
)
"""How an attacker's tools say that the other end has closed, or said something else."""


@attrs.frozen
class Target:
    """Where to attack.

    Attributes:
        mesh_port: where a node listens for others.
        http_port: where a node listens for programs.
        token: what a program has to show there.
        hostile_model: a model whose upstream is hostile.
    """

    mesh_port: int
    http_port: int
    token: str
    hostile_model: str


async def attack(name: str, target: Target, rng: Random) -> None:
    """Make an attack; the other end's refusals are no errors."""
    with anyio.move_on_after(LASTS):
        try:
            await ATTACKS[name](target, rng)
        except* REFUSALS:
            pass


async def _dial(port: int, rng: Random) -> SocketStream:
    """Connect from some address of this machine."""
    here = f"127.0.0.{rng.randint(1, 250)}"
    return await anyio.connect_tcp("127.0.0.1", port, local_host=here)


async def _say(port: int, rng: Random, *pieces: bytes, stay: float = 0.0) -> None:
    """Send something, and stay for some seconds or until the other end closes."""
    async with await _dial(port, rng) as stream:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.EndOfStream, OSError):
            for piece in pieces:
                await stream.send(piece)
            with anyio.move_on_after(stay):
                while True:
                    await stream.receive()


async def _crowd(number: int, do: Callable[[], Awaitable[None]]) -> None:
    """Do something many times at once."""

    async def one() -> None:
        with contextlib.suppress(*REFUSALS):
            await do()

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(one)


# --- strangers


async def big_headers(target: Target, rng: Random) -> None:
    """Strangers send many headers, or one that does not end, to the HTTP port."""
    head = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
    line = b"x-%d: " % rng.randint(0, 9) + b"a" * 4 * KIB + rng.choice((b"\r\n", b""))
    await _crowd(30, lambda: _say(target.http_port, rng, head, *[line] * 64, stay=2))


async def big_hellos(target: Target, rng: Random) -> None:
    """Strangers send big messages right behind the upgrade."""
    message = Wire.frame(rng.randbytes(256 * KIB))
    await _crowd(30, lambda: _say(target.mesh_port, rng, UPGRADE, message, message, stay=2))


async def garbage(target: Target, rng: Random) -> None:
    """Strangers send random bytes to both ports."""
    for port in (target.mesh_port, target.http_port):
        await _crowd(20, lambda port=port: _say(port, rng, rng.randbytes(2 * KIB), stay=1))  # type: ignore[misc]


async def silence(target: Target, rng: Random) -> None:
    """Strangers connect and say nothing, or begin an upgrade and end no line."""
    for port in (target.mesh_port, target.http_port):
        said = rng.choice((b"", UPGRADE[:40]))
        await _crowd(40, lambda port=port, said=said: _say(port, rng, said, stay=4))  # type: ignore[misc]


async def wrong_secrets(target: Target, rng: Random) -> None:
    """Strangers who do not know the secret try to make a link."""

    async def one() -> None:
        async with await Wire.open(target.mesh_port) as wire:
            secret = f"not the secret of this mesh {rng.random()}"
            member = await Member.shake(target.mesh_port, secret=secret, wire=wire)
            await member.receive()

    await _crowd(10, one)


async def wrong_tokens(target: Target, rng: Random) -> None:
    """Programs ask with a wrong token, one request after the other."""
    token = f"{rng.getrandbits(128):032x}"
    ask = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    await _crowd(20, lambda: _say(target.http_port, rng, ask.encode() * 20, stay=1))


# --- members


@attrs.define
class _Member(Member):
    """A member that several tasks send as, one frame at a time."""

    sending: anyio.Lock = attrs.field(factory=anyio.Lock)

    async def send_sealed(self, line: bytes, payload: object, *, ttl: int = 32) -> None:
        async with self.sending:
            # Not broken off in the middle of a frame, at whose end others would send.
            with anyio.CancelScope(shield=True), anyio.fail_after(LASTS):
                await super().send_sealed(line, payload, ttl=ttl)


@contextlib.asynccontextmanager
async def _member(target: Target, rng: Random) -> AsyncIterator[_Member]:
    """Join as one of few hostile members, and answer heartbeats."""
    number = rng.randint(0, 3)
    identity = Identity.generate(type(rng)(f"mallory{number}").randbytes)
    now = int(time.time() * 1000)
    changes: dict[str, Any] = {"epoch": now, "features": ["revocations"], "instance": f"{now:016x}"}
    name = f"mallory{number}"
    member = await _Member.join(target.mesh_port, name, identity=identity, **changes)
    assert isinstance(member, _Member)
    async with member, anyio.create_task_group() as tasks:
        tasks.start_soon(_answer, member)
        yield member
        tasks.cancel_scope.cancel()


async def _answer(member: Member) -> None:
    while True:
        line, payload = await member.receive()
        if line["type"] == "heartbeat":
            await member.send("heartbeat_ack", {"t": payload.get("t")}, lane=0)


async def records(target: Target, rng: Random) -> None:
    """A member tells of nodes that it has made up, which list each other."""
    names = [f"ghost{number}" for number in rng.sample(range(2000), 100)]
    async with _member(target, rng) as member:
        for name in names:
            ghost = Identity.generate(type(rng)(name).randbytes)
            links = dict.fromkeys(rng.sample(names, 40), 1)
            record = record_of(name, ghost, links=links, epoch=int(time.time() * 1000))
            await member.send("records", [signed(record, ghost)], lane=0)
            await anyio.sleep(0.01)


async def revocations(target: Target, rng: Random) -> None:
    """A member, and authors that it has made up, revoke keys that nobody has."""
    async with _member(target, rng) as member:
        for _ in range(40):
            batch = [_revocation(rng) for _ in range(16)]
            await member.send("revocations", {"new": batch}, lane=0)
            await anyio.sleep(0.05)


def _revocation(rng: Random) -> object:
    author = Identity.generate(rng.randbytes)
    said = Revocation(
        node_id=f"junk{rng.randint(0, 999)}",
        key=Identity.generate(rng.randbytes).sign_public,
        by=f"author{rng.randint(0, 9)}",
        by_key=author.sign_public,
        at=int(time.time() * 1000),
    )
    return SignedRevocation.make(said, author).to_wire()


async def exchanges(target: Target, rng: Random) -> None:
    """A member opens exchanges without end, and ends none."""
    async with _member(target, rng) as member:
        for _ in range(400):
            id_ = f"{rng.getrandbits(128):032x}"
            about: dict[str, Any] = {"id": id_, "seq": 0, "fin": False, "limit": 2**40}
            type_ = rng.choice(("model_req", "ping", "note", "nobody-knows"))
            await member.send(type_, {"model": "steady", "filler": "x" * KIB}, **about)
            await anyio.sleep(0.005)


async def wrong_frames(target: Target, rng: Random) -> None:
    """A member sends frames whose headers and bodies are wrong in some way."""
    async with _member(target, rng) as member:
        for _ in range(200):
            line = header(type="data", from_=member.name, to=member.peer, body="sealed")
            await member.send_sealed(line, rng.randbytes(rng.randint(0, 2 * KIB)))
            async with member.sending:
                await member.wire.send(b"\x20" + rng.randbytes(200))


# --- programs with the token, and upstreams


async def unfinished_bodies(target: Target, rng: Random) -> None:
    """Programs that have the token begin bodies, and do not end them."""
    length = 20 * 2**20
    head = _request(target, "/v1/chat/completions", length)
    await _crowd(20, lambda: _say(target.http_port, rng, head, b" " * (2**20), stay=5))


async def big_requests(target: Target, rng: Random) -> None:
    """A program sends big requests that have to be converted."""
    text = "word " * (400 * KIB)
    body = json.dumps(
        {
            "model": "steady",
            "max_tokens": 1,
            "messages": [{"role": "user", "content": text}],
        }
    ).encode()
    head = _request(target, rng.choice(("/v1/messages", "/v1/responses")), len(body))
    await _crowd(2, lambda: _say(target.http_port, rng, head, body, stay=5))


async def newlines(target: Target, rng: Random) -> None:
    """An upstream answers with newlines without end."""
    asked = {
        "model": target.hostile_model,
        "stream": True,
        "messages": [{"role": "user", "content": "hello"}],
    }
    body = json.dumps(asked).encode()
    head = _request(target, "/v1/chat/completions", len(body))
    await _say(target.http_port, rng, head, body, stay=rng.uniform(1, 10))


def _request(target: Target, path: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {target.token}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


ATTACKS: Mapping[str, Callable[[Target, Random], Awaitable[None]]] = {
    one.__name__: one
    for one in (
        big_headers,
        big_hellos,
        garbage,
        silence,
        wrong_secrets,
        wrong_tokens,
        records,
        revocations,
        exchanges,
        wrong_frames,
        unfinished_bodies,
        big_requests,
        newlines,
    )
}
"""All attacks by name, for a seed to choose from."""
