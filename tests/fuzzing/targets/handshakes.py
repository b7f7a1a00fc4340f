"""What comes over a connection before there is a link: preambles, Noise messages, hellos."""

from __future__ import annotations

import base64
import hashlib
import json
from random import Random

import attrs

from clawmatrix_core.base.errors import ConnectionLost, HandshakeError, RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.directory import SignedRecord
from clawmatrix_core.members.identity import key_text
from clawmatrix_core.members.named_keys import NamedKeys
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.wire.codec import Header, encode_header, join
from clawmatrix_mesh.invite.inviting import receive_welcome
from clawmatrix_mesh.invite.token import BadToken, Token
from clawmatrix_mesh.links.channel import Channel, Credentials, answer_channel, dial_channel
from clawmatrix_mesh.links.handshake import Proved, make_hello, receive_hello
from clawmatrix_mesh.links.preamble import Preamble, agree, cut
from tests.core.members.members import LABEL, Member, base64_of
from tests.fuzzing.script import Script
from tests.fuzzing.tape import Stepped, Tape
from tests.fuzzing.target import Target
from tests.fuzzing.targets.members import record_text

__all__ = ["TARGETS"]

PSK, INVITED = bytes(range(32)), bytes(range(32, 64))
INVITE = "00112233aabbccdd"
HASH = b"h" * 32
MEMBERS = {name: Member(name) for name in ("home", "lab")}


def _own(name: str, *psks: bytes) -> Credentials:
    member = MEMBERS[name]
    signed = member.signed()
    return Credentials(
        member.name, member.identity, lambda: psks, f"{name}1", lambda: signed, float, float
    )


# --- the preamble


def preamble(data: bytes) -> None:
    """Read the line that comes first, and choose a version."""
    line, _ = cut(data)
    read = Preamble.read(line)
    agree((1, 1), read.versions, "memory://x")
    assert read.invite is None or len(read.invite) == 16
    assert Preamble.read(read.encode()) == read


def _preambles() -> list[bytes]:
    told = (
        Preamble((1, 1)),
        Preamble((1, 3), use=1),
        Preamble((2, 3), error="version"),
        Preamble((1, 1), invite=INVITE),
    )
    return [one.encode() + b"\n" + bytes(48) for one in told]


# --- the Noise messages and the hellos, with somebody in between


async def _dial(tape: Tape, invite: str | None) -> Proved:
    own = _own("home", PSK)
    channel = await dial_channel(tape, own, psk=PSK if invite is None else INVITED, invite=invite)
    await tape.send(make_hello(own, channel))
    return await receive_hello(channel)


async def _answer(tape: Tape) -> Proved:
    own = _own("lab", b"x" * 32, PSK)
    channel = await answer_channel(tape, own, _invited)
    proved = await receive_hello(channel)
    await tape.send(make_hello(own, channel))
    return proved


def _invited(invite: str, _: str) -> bytes:
    if invite != INVITE:
        raise HandshakeError("no such invitation", reason="invite_unknown")
    return INVITED


def between(data: bytes) -> None:
    """Alter what two nodes say to each other: none takes another for the one it talks to."""
    script = Script(data)
    tapes = Tape(), Tape()
    may_raise = (RemoteProtocolError, ConnectionLost)
    invite = INVITE if script.below(4) == 1 else None
    ends = Stepped(_dial(tapes[0], invite), may_raise), Stepped(_answer(tapes[1]), may_raise)
    passed: list[bytes] = []
    for turn in range(8):
        ends[turn % 2].step()
        sent, incoming = tapes[turn % 2].sent, tapes[1 - turn % 2].incoming
        while sent:
            passed.append(sent.popleft())
            incoming.extend(_meddled(script, passed))
        tapes[1 - turn % 2].cut = ends[turn % 2].over
    for tape in tapes:
        tape.cut = True
    for end, other in zip(ends, ("lab", "home"), strict=True):
        end.step()
        assert end.over
        if end.result is not None:
            assert end.result.record == MEMBERS[other].record()
    if not any(data):
        assert ends[0].result
        assert ends[1].result


def _meddled(script: Script, passed: list[bytes]) -> list[bytes]:
    message = passed[-1]
    match script.below(8):
        case 1 | 2:
            return [script.mangle(message, passed)]
        case 3:
            return [script.pick(passed)]
        case 4:
            return [message, script.pick(passed)]
        case 5:
            return []
        case _:
            return [message]


def _scripts() -> list[bytes]:
    random = Random("handshakes")
    return [b"", bytes([1]), *(random.randbytes(size) for size in (8, 16, 24, 40, 64))]


# --- what a member with the secret says


def _channel(tape: Tape) -> Channel:
    session = Session(bytes(8), NodeId("*"), b"a" * 32, b"b" * 32, "", 0.0)
    key = MEMBERS["lab"].identity.channel_public
    return Channel(tape, False, 1, (1, 1), key, PSK, HASH, session)


def _sealed(type_: str, plain: bytes) -> bytes:
    theirs = Session(bytes(8), NodeId("*"), b"b" * 32, b"a" * 32, "", 0.0)
    line = encode_header(Header(type_, "", NodeId("lab"), NodeId("*"), 0, "sealed", lane=0))
    return join(line, theirs.seal(line, plain))


def _run(steps: Stepped) -> object:
    steps.step()
    if steps.error is not None:
        raise steps.error
    assert steps.over
    return steps.result


def hello(data: bytes) -> None:
    """Take the hello of a member that has the secret: as it comes, or with proof in it."""
    if data[:1] == b"r":
        plain = data[1:]
    else:
        text = data.decode(errors="replace")
        identity = MEMBERS["lab"].identity
        proof = identity.sign(b"clawmatrix hello v1\0dialled\0" + HASH)
        payload = {
            "record": text,
            "sig": base64_of(identity.sign(LABEL + text.encode())),
            "proof": base64_of(proof),
            "versions": [1, 1],
        }
        plain = b"j" + json.dumps(payload).encode()
    channel = _channel(Tape(_sealed("hello", plain)))
    proved = _run(Stepped(receive_hello(channel), (RemoteProtocolError, ConnectionLost)))
    assert isinstance(proved, Proved)
    assert proved.record.channel_key_bytes() == channel.remote_key
    SignedRecord.from_wire(proved.signed.to_wire())


def _hellos() -> list[bytes]:
    lab = MEMBERS["lab"]
    proof = base64_of(lab.identity.sign(b"clawmatrix hello v1\0dialled\0" + HASH))
    raw = {**lab.signed().to_wire(), "proof": proof, "versions": [1, 1], "spare": True}
    return [record_text(lab), b"rj" + json.dumps(raw).encode(), b"rbytes"]


def welcome(data: bytes) -> None:
    """Take what the inviting node tells whoever joined."""
    tape = Tape(_sealed("welcome", data))
    steps = receive_welcome(_channel(tape), NodeId("lab"))
    told = _run(Stepped(steps, (RemoteProtocolError, ConnectionLost)))
    assert isinstance(told, tuple)
    secret, revokers = told
    assert isinstance(secret, str)
    assert NamedKeys.parse(revokers.texts()) == revokers


def _welcomes() -> list[bytes]:
    secret = b'j{"secret":"' + b"s" * 40 + b'"'
    key = key_text(Member("lab").identity.sign_public).encode()
    return [secret + b"}", secret + b',"revokers":{"lab":"' + key + b'"}}', b"b"]


# --- the text of an invitation


def token(data: bytes) -> None:
    """Read a token as it is pasted, or with a checksum that fits."""
    text = data.decode("latin-1") if data[:1] == b"c" else _with_checksum(data)
    read = Token.decode(text)
    assert Token.decode(read.encode()) == read


def _with_checksum(body: bytes) -> str:
    checksum = hashlib.sha256(b"clawmatrix invitation token v1\0" + body).digest()[:4]
    whole = base64.urlsafe_b64encode(body + checksum).decode().rstrip("=")
    return f"cmi_{whole}"


def _tokens() -> list[bytes]:
    one = Token(b"i" * 8, b"s" * 32, b"k" * 32, "home", ("ws://127.0.0.1:1", "wss://[::1]:2/x"))
    letters = one.encode()
    body = base64.urlsafe_b64decode(letters[4:] + "=" * (-len(letters[4:]) % 4))[:-4]
    return [letters.encode(), body, attrs.evolve(one, node_id="a" * 64).encode().encode()]


TARGETS = [
    Target("preamble", preamble, _preambles, (HandshakeError,)),
    Target("handshake", between, _scripts),
    Target("hello", hello, _hellos, (RemoteProtocolError, ConnectionLost)),
    Target(
        "welcome",
        welcome,
        _welcomes,
        (RemoteProtocolError, ConnectionLost),
    ),
    Target("invitation token", token, _tokens, (BadToken,)),
]
