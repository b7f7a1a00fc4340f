"""The directory: what every member has said of itself, under its signature."""

from __future__ import annotations

import base64
import binascii
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from clawmatrix_core.errors import RemoteProtocolError
from clawmatrix_core.frames import NAME_LIMIT, NodeId, is_node_id
from clawmatrix_core.identity import verify
from clawmatrix_core.trust import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core.identity import Identity
    from clawmatrix_core.trust import TrustStore

__all__ = [
    "MEMBER_LIMIT",
    "RECORD_LIMIT",
    "Accepted",
    "Directory",
    "NodeRecord",
    "Peer",
    "SignedRecord",
]

RECORD_LIMIT = 64 * 1024
"""Bytes the text of a record may have."""
MEMBER_LIMIT = 10_000
"""Members that are taken in on hearsay; more have to come and prove themselves."""

_DEPTH = 16
"""Levels of lists and objects that what is offered may have."""
_COUNT = 2**53
"""What numbers in a record stay below."""

_LABEL = b"clawmatrix record v1\0"


def _check_name(_: object, __: object, value: Any) -> None:
    if not is_node_id(value):
        raise ValueError("not the name of a node")


def _check_instance(_: object, __: object, value: str) -> None:
    if not (value.isascii() and value.isalnum() and len(value) <= NAME_LIMIT):
        raise ValueError("an instance is one word of ASCII letters and digits")


def _check_counts(_: object, __: object, value: Any) -> None:
    counts = (value,) if isinstance(value, int) else value
    if not all(0 <= count < _COUNT for count in counts):
        raise ValueError("a count that no honest node reaches")


def _check_offers(_: object, __: object, value: Any) -> None:
    if not _is_plain(value, _DEPTH):
        raise ValueError("offers that are too deep, or with numbers too large, to be handled")


def _is_plain(value: Any, depth: int) -> bool:
    """Say whether JSON can be written, shown and passed on without a thought."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_plain(item, depth - 1) for item in inner)
    return not isinstance(value, int) or abs(value) < _COUNT


@attrs.frozen
class NodeRecord:
    """What a node says of itself. Names on the wire are camelCase.

    Attributes:
        node_id: its name.
        sign_key: its Ed25519 public key, base64.
        channel_key: its X25519 public key, base64.
        epoch: counts the node's starts.
        seq: counts the records of this epoch.
        instance: a random word for the running process.
        protocol: the lowest and highest protocol version it speaks.
        version: its software's version.
        features: optional parts of the protocol that it knows.
        addresses: where it can be dialled.
        links: its neighbours, with the round trip to each in milliseconds.
        tags: free words of its configuration.
        offers: lists by kind (``models``, ``agents``), for every member to see.
    """

    node_id: NodeId = attrs.field(validator=_check_name)
    sign_key: str
    channel_key: str
    epoch: int = attrs.field(validator=_check_counts)
    seq: int = attrs.field(validator=_check_counts)
    instance: str = attrs.field(validator=_check_instance)
    protocol: tuple[int, int] = attrs.field(default=(1, 1), validator=_check_counts)
    version: str = ""
    features: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    links: dict[NodeId, float] = attrs.field(factory=dict)
    tags: tuple[str, ...] = ()
    offers: dict[str, list[dict[str, Any]]] = attrs.field(factory=dict, validator=_check_offers)

    @property
    def age(self) -> tuple[int, int]:
        """What records of one node are ordered by; a higher one is newer."""
        return (self.epoch, self.seq)

    def sign_key_bytes(self) -> bytes:
        """Return the Ed25519 public key. Raises: RemoteProtocolError."""
        return _key(self.sign_key)

    def channel_key_bytes(self) -> bytes:
        """Return the X25519 public key. Raises: RemoteProtocolError."""
        return _key(self.channel_key)


@attrs.frozen
class SignedRecord:
    """A record's text as its node wrote it, with the signature over that text."""

    text: str
    signature: str

    @classmethod
    def make(cls, record: NodeRecord, identity: Identity) -> SignedRecord:
        """Write and sign a record."""
        text = msgspec.json.encode(_converter.unstructure(record), order="deterministic")
        signature = base64.b64encode(identity.sign(_LABEL + text)).decode()
        return cls(text.decode(), signature)

    @classmethod
    def from_wire(cls, value: Any) -> SignedRecord:
        """Take ``{"record": text, "sig": base64}``. Raises: RemoteProtocolError."""
        if not isinstance(value, dict):
            raise RemoteProtocolError("a record is not an object", reason="bad_record")
        text, signature = value.get("record"), value.get("sig")
        if not isinstance(text, str) or not isinstance(signature, str):
            raise RemoteProtocolError("a record lacks its text or signature", reason="bad_record")
        if len(text) > RECORD_LIMIT or len(text.encode()) > RECORD_LIMIT:
            raise RemoteProtocolError(
                f"a record of more than {RECORD_LIMIT} bytes", reason="bad_record"
            )
        return cls(text, signature)

    def to_wire(self) -> dict[str, str]:
        """Return the JSON object that travels."""
        return {"record": self.text, "sig": self.signature}

    def read(self) -> NodeRecord:
        """Return the record, its signature not yet checked. Raises: RemoteProtocolError."""
        return self._record

    @cached_property
    def _record(self) -> NodeRecord:
        try:
            return _converter.structure(msgspec.json.decode(self.text), NodeRecord)
        except (
            cattrs.BaseValidationError,
            msgspec.MsgspecError,
            ValueError,
            TypeError,
            RecursionError,
        ) as error:
            raise RemoteProtocolError(
                f"a record that is none: {error}", reason="bad_record"
            ) from None

    def is_signed_by(self, key: bytes) -> bool:
        """Say whether the signature over the text is this key's."""
        try:
            signature = base64.b64decode(self.signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        return verify(key, signature, _LABEL + self.text.encode())


@attrs.frozen
class Peer:
    """A member, as its newest record has it.

    ``received`` is the clock's time at which that record came.
    """

    record: NodeRecord
    signed: SignedRecord = attrs.field(repr=False)
    received: float

    @property
    def node_id(self) -> NodeId:
        """The member's name."""
        return self.record.node_id


class Accepted(Enum):
    """What became of a record."""

    NEWER = "newer"
    STALE = "stale"
    CONFLICT = "conflict"
    OWN = "own"


def is_newer(record: NodeRecord, known: NodeRecord | None) -> bool:
    """Say whether a record replaces the one that is known."""
    return known is None or record.age > known.age


def _is_overtaken(record: NodeRecord, known: NodeRecord) -> bool:
    """Say whether a record can be left unread, signature and all: it would change nothing."""
    return record.sign_key == known.sign_key and not is_newer(record, known)


class Directory:
    """The newest record of each member, this node's own among them."""

    def __init__(
        self,
        own: NodeId,
        identity: Identity,
        trust: TrustStore,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._own = own
        self._own_key = identity.sign_public
        self._trust = trust
        self._now = now
        self._wall = wall
        self._peers: dict[NodeId, Peer] = {}
        # Most records come over several links; one that is known is found without reading it.
        self._by_signature: dict[str, Peer] = {}

    def __repr__(self) -> str:
        return f"<Directory of {self._own}: {len(self._peers)} members>"

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, node_id: NodeId) -> Peer | None:
        """Return a member, None where none of that name is known."""
        return self._peers.get(node_id)

    def all(self) -> Iterable[Peer]:
        """Return every member, this node too, by name."""
        return [self._peers[name] for name in sorted(self._peers)]

    def others(self) -> Iterable[Peer]:
        """Return every member but this node, by name."""
        return [peer for peer in self.all() if peer.node_id != self._own]

    def accept(self, signed: SignedRecord, *, proven: bool = False) -> tuple[Accepted, NodeRecord]:
        """Take a record, if it is newer and its node's own.

        ``proven`` says that the other end of a handshake showed it as its own. An OWN record
        is this node's from an earlier life: the caller must outdo its epoch.
        Raises: RemoteProtocolError for a record that is malformed or forged, or one too many.
        """
        again = self._by_signature.get(signed.signature)
        if again is not None and again.signed == signed:
            if proven:
                self._pin(again.record, proven=True)
            return Accepted.STALE, again.record
        record = signed.read()
        known = self._peers.get(record.node_id)
        if not proven and known is not None and _is_overtaken(record, known.record):
            return Accepted.STALE, record
        key = record.sign_key_bytes()
        if not signed.is_signed_by(key):
            raise RemoteProtocolError(
                f"a forged record of {record.node_id}", reason="forged_record"
            )
        record.channel_key_bytes()
        if record.node_id == self._own:
            return self._meet_own(record, key)
        if known is None and not proven and len(self) >= MEMBER_LIMIT:
            raise RemoteProtocolError("more members than can be", reason="too_many_members")
        if self._pin(record, proven=proven) is Verdict.CONFLICT:
            return Accepted.CONFLICT, record
        same_key = known is not None and known.record.sign_key == record.sign_key
        if same_key and known is not None and not is_newer(record, known.record):
            return Accepted.STALE, record
        self._put(record, signed)
        return Accepted.NEWER, record

    def put_own(self, record: NodeRecord, signed: SignedRecord) -> None:
        """Take this node's own new record."""
        self._put(record, signed)

    def forget(self, node_id: NodeId) -> None:
        """Drop a member. Its pin stays."""
        peer = self._peers.pop(node_id, None)
        if peer is not None:
            self._by_signature.pop(peer.signed.signature, None)

    def _put(self, record: NodeRecord, signed: SignedRecord) -> None:
        self.forget(record.node_id)
        self._peers[record.node_id] = Peer(record, signed, self._now())
        self._by_signature[signed.signature] = self._peers[record.node_id]

    def _meet_own(self, record: NodeRecord, key: bytes) -> tuple[Accepted, NodeRecord]:
        if key != self._own_key:
            return Accepted.CONFLICT, record
        known = self._peers.get(self._own)
        if known is not None and not is_newer(record, known.record):
            return Accepted.STALE, record
        return Accepted.OWN, record

    def _pin(self, record: NodeRecord, *, proven: bool) -> Verdict:
        key = record.sign_key_bytes()
        return self._trust.check(record.node_id, key, proven=proven, now=self._wall())


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise RemoteProtocolError("a key that is not 32 bytes of base64", reason="bad_record")
    return key


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def _strict(kind: type) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, kind):
            raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
        return value

    return check


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError("expected a round trip in milliseconds")
    return float(value)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    for kind in (int, str):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(float, _number)
    names = {field.name: override(rename=_camel(field.name)) for field in attrs.fields(NodeRecord)}
    converter.register_structure_hook(
        NodeRecord,
        make_dict_structure_fn(NodeRecord, converter, **names),  # type: ignore[arg-type]
    )
    converter.register_unstructure_hook(
        NodeRecord,
        make_dict_unstructure_fn(NodeRecord, converter, **names),  # type: ignore[arg-type]
    )
    return converter


_converter = _make_converter()
