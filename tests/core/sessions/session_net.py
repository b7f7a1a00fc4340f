"""Nodes that have nothing but sessions, and an unreliable path between them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.local import Local
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.sessions.noise import KKPSK0, Handshake
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.sessions.sessions import OPENING_TYPES, PROOF_TYPE, Sessions
from clawmatrix_core.wire.codec import Header
from tests.core.members.members import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.sessions.rekeying import Rekeying

PSK = bytes(range(32))
HOME, OFFICE, LAB = NodeId("home"), NodeId("office"), NodeId("lab")


@attrs.frozen
class Message:
    """A frame on the path: the header decoded, its line, and the body."""

    header: Header
    line: bytes
    body: bytes


class End:
    """A node: its keys, its directory, its sessions."""

    def __init__(
        self,
        net: Net,
        name: str,
        *,
        run: int = 1,
        psk: bytes = PSK,
        rekeying: Rekeying | None = None,
    ) -> None:
        self.net = net
        self.member = Member(name, now=lambda: net.now)
        self.name = self.member.name
        self.psks: tuple[bytes, ...] = (psk,)
        self.instance = f"{name}{run}"
        self.counters: Counter[str] = Counter()
        self.ready: list[tuple[NodeId, str]] = []
        self.heard: list[tuple[NodeId, bytes]] = []
        self.keys: list[bytes] = []
        self.refused: list[str] = []
        self.direct: list[bool] = []
        self.sessions = Sessions(
            Local(
                self.name,
                self.instance,
                now=lambda: net.now,
                wall=lambda: 0.0,
                new_id=lambda: f"{self.instance}-{next(net.ids)}",
                counters=self.counters,
            ),
            identity=self.member.identity,
            psks=lambda: self.psks,
            directory=self.member.directory,
            carrier=self,
            ready=lambda new: self.ready.append((new.peer, new.remote_instance)),
            rekeying=rekeying,
        )

    @property
    def key(self) -> bytes:
        """The key that it signs with."""
        return self.member.identity.sign_public

    def send_opening(
        self, to: NodeId, type_: str, id_: str, body: bytes, direct: bool = False
    ) -> bool:
        """Put a frame of an opening on the path; note whether the link is asked for."""
        self.direct.append(direct)
        header = Header(type_, id_, self.name, to, 0, "bytes")
        self.net.put(Message(header, b"", body))
        return True

    def send_proof(self, session: Session, answer: bool) -> bool:
        """Put a proof on the path, as a switch does."""
        line = b"proof from " + self.name.encode()
        header = Header(PROOF_TYPE, "", self.name, session.peer, 0, "sealed", re=answer)
        self.net.put(Message(header, line, session.seal(line, b"j")))
        return True

    def say(self, to: NodeId, text: bytes) -> bool:
        """Seal something for a node; False where there is no session yet."""
        session = self.sessions.sending(to)
        if session is None:
            self.sessions.ensure(to)
            return False
        line = text + b" from " + self.name.encode()
        self.net.put(Message(Header("data", "", self.name, to, 0), line, session.seal(line, text)))
        return True

    def take(self, message: Message) -> None:
        """Take a frame from the path, as a switch does."""
        header = message.header
        try:
            if header.type in OPENING_TYPES:
                self.sessions.on_frame(header, message.body)
                return
            opened = self.sessions.open(header, message.line, message.body)
            if opened is not None and header.type == PROOF_TYPE:
                self.sessions.on_proof(header, message.body)
            elif opened is not None:
                self.heard.append((header.source, opened[0]))
                self.keys.append(opened[1])
        except RemoteProtocolError as error:
            self.refused.append(error.reason)


class Net:
    """The path, the clock, and the nodes by name."""

    def __init__(self, *names: str) -> None:
        self.now = 100.0
        self.ids = iter(range(10**6))
        self.ends: dict[NodeId, End] = {}
        self.log: list[Message] = []
        self.flying: list[Message] = []
        self.drop: Callable[[Message], bool] = lambda _: False
        for name in names:
            self.start(name)

    def __getitem__(self, name: str) -> End:
        return self.ends[NodeId(name)]

    def start(
        self, name: str, *, run: int = 1, psk: bytes = PSK, rekeying: Rekeying | None = None
    ) -> End:
        """Start a node, or start it anew; all know all records."""
        end = End(self, name, run=run, psk=psk, rekeying=rekeying)
        self.ends[end.name] = end
        for one in self.ends.values():
            one.member.meet(*(other.member for other in self.ends.values() if other is not one))
        return end

    def put(self, message: Message) -> None:
        """Send a frame on its way, or lose it."""
        self.log.append(message)
        if not self.drop(message):
            self.flying.append(message)

    def run(self) -> None:
        """Let everything arrive."""
        while self.flying:
            message = self.flying.pop(0)
            self.ends[message.header.to].take(message)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for end in self.ends.values():
            end.sessions.tick()

    def sent(self, type_: str) -> list[Message]:
        """Return the frames of a type that were sent."""
        return [message for message in self.log if message.header.type == type_]


def link_between(
    net: Net, one: End, other: End, id_: bytes = b"link0001"
) -> tuple[Session, Session]:
    """Give two nodes the session that a link's handshake makes."""
    keys = other.member.identity.sign_public, one.member.identity.sign_public
    ours = Session(id_, other.name, b"a" * 32, b"b" * 32, other.instance, net.now, keys[0])
    theirs = Session(id_, one.name, b"b" * 32, b"a" * 32, one.instance, net.now, keys[1])
    one.sessions.add_link(ours)
    other.sessions.add_link(theirs)
    return ours, theirs


def pair() -> tuple[Net, End, End]:
    """Return home and office, who know each other's records."""
    net = Net("home", "office")
    return net, net["home"], net["office"]


def opened() -> tuple[Net, End, End]:
    """Return home and office, with a session that both have used."""
    net, home, office = pair()
    home.say(OFFICE, b"hello")
    net.run()
    home.say(OFFICE, b"hello")
    net.run()
    office.say(HOME, b"hello")
    net.run()
    return net, home, office


def current(end: End, peer: NodeId) -> Session:
    """Return the session that a node seals with."""
    session = end.sessions.sending(peer)
    assert session is not None
    return session


def member_handshake(net: Net, *, initiator: bool) -> Handshake:
    """Return a handshake of office with home, to be used against the rules."""
    first, second = (b"office", b"home") if initiator else (b"home", b"office")
    return Handshake(
        KKPSK0,
        initiator=initiator,
        static=net["office"].member.identity.channel_private,
        remote_static=net["home"].member.identity.channel_public,
        psk=PSK,
        prologue=b"clawmatrix session v1\0" + first + b"\0" + second,
    )
