"""What a node says of itself, under its signature."""

from __future__ import annotations

import base64
import binascii
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.json_value import JSON  # noqa: TC001 - cattrs resolves it
from clawmatrix_core.base.node_id import NAME_LIMIT, NodeId, is_node_id
from clawmatrix_core.members.identity import key_text, verify
from clawmatrix_core.members.succession import predecessors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core.members.identity import Identity

__all__ = [
    "LINKS_LIMIT",
    "OFFERS_LIMIT",
    "OFFER_LIMIT",
    "RECORD_LIMIT",
    "SESSION_KEYS",
    "NodeRecord",
    "SignedRecord",
    "check_offer",
]

RECORD_LIMIT = Bound(
    64 * 1024,
    "bytes of one record's text",
    fed_by="a member",
    when_full="peers refuse the record, and with it the node",
)
LINKS_LIMIT = Bound(
    2048,
    "links that one record lists",  # a hub's neighbours, as far as their names fit
    fed_by="a member",
    when_full="the record is refused",
)
OFFER_LIMIT = 24 * 1024
"""Bytes of JSON that one offer may have, so that what a node offers fits into its record."""
OFFERS_LIMIT = 40 * 1024
"""Bytes of JSON that all offers of a node may have together, for the same reason."""

SESSION_KEYS: Final = "session_keys"
"""The feature of a node that reads the signing key in the openings of sessions."""

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


def check_offer(items: list[dict[str, JSON]], left: int = OFFERS_LIMIT) -> int:
    """Make sure that an offer can stand in a record, and return its size in bytes.

    ``left`` are the bytes that other offers left. Raises: ValueError, TypeError.
    """
    if not _is_plain({"": items}, _DEPTH):
        raise ValueError(f"more than {_DEPTH} levels, or a number not below {_COUNT}")
    size = len(msgspec.json.encode(items))
    if size > OFFER_LIMIT:
        raise ValueError(f"{size} bytes, and an offer has at most {OFFER_LIMIT}")
    if size > left:
        raise ValueError(f"{size} bytes, and the other offers leave {left} of {OFFERS_LIMIT}")
    return size


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
        transit: whether it passes on frames for others. A record that does not say relays.
        succession: how the node came to its signing key from earlier ones; see ``succession``.
        revokers: whose revocations are in force there at once, by a short word for each key.
        CORE_FEATURES: the features that every node with this core has.
    """

    CORE_FEATURES: ClassVar[tuple[str, ...]] = (SESSION_KEYS,)

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
    offers: dict[str, list[dict[str, JSON]]] = attrs.field(factory=dict, validator=_check_offers)
    transit: bool = True
    succession: tuple[str, ...] = ()
    revokers: tuple[str, ...] = ()

    @property
    def age(self) -> tuple[int, int]:
        """What records of one node are ordered by; a higher one is newer."""
        return (self.epoch, self.seq)

    def past_keys(self) -> tuple[bytes, ...]:
        """Return the Ed25519 keys that the name had before, each by the word of the earlier one.

        Raises: RemoteProtocolError.
        """
        return predecessors(self.succession, self.node_id, self.sign_key_bytes())

    def sign_key_bytes(self) -> bytes:
        """Return the Ed25519 public key. Raises: RemoteProtocolError."""
        return _key(self.sign_key)

    @property
    def key_text(self) -> str:
        """The key as text, as ``TrustStore.how_known`` takes it. Raises: RemoteProtocolError."""
        return key_text(self.sign_key_bytes())

    def fitting_links(self, links: Mapping[NodeId, float]) -> dict[NodeId, float]:
        """Return as many links as there is room for beside all else here, the first ones first."""
        bare = attrs.evolve(self, links={})
        room = RECORD_LIMIT - len(msgspec.json.encode(_converter.unstructure(bare)))
        fitting: dict[NodeId, float] = {}
        for name, rtt in links.items():
            room -= len(f'"{name}":{rtt},')
            if room < 0 or len(fitting) == LINKS_LIMIT:
                break
            fitting[name] = rtt
        return fitting

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Say whether the signature over the data is by the record's key.

        Raises: RemoteProtocolError, where the record has no good key.
        """
        return verify(self.sign_key_bytes(), signature, data)

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
    def from_wire(cls, value: JSON) -> SignedRecord:
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
            record = _converter.structure(msgspec.json.decode(self.text), NodeRecord)
        except (
            cattrs.BaseValidationError,
            msgspec.MsgspecError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            raise RemoteProtocolError(f"a malformed record: {error}", reason="bad_record") from None
        if len(record.links) > LINKS_LIMIT:
            raise RemoteProtocolError(
                f"{record.node_id} lists more than {LINKS_LIMIT} links", reason="too_many_links"
            )
        return record

    def is_signed_by(self, key: bytes) -> bool:
        """Say whether the signature over the text is this key's."""
        try:
            signature = base64.b64decode(self.signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        return verify(key, signature, _LABEL + self.text.encode())


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


def _is_sequence(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) in (tuple, list)


def _from_list(items: cattrs.Converter, kind: Any) -> Callable[[Any, Any], Any]:
    structure = items.get_structure_hook(kind)

    def check(value: Any, _: Any) -> Any:
        if not isinstance(value, list):  # a text would do, letter by letter
            raise ValueError(f"expected a list, got {type(value).__name__}")
        return structure(value, kind)

    return check


def _flag(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {type(value).__name__}")
    return value


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError("expected a round trip in milliseconds")
    return float(value)


def _make_converter() -> cattrs.Converter:
    # The first mistake is the last that is looked for: who sends a record with thousands of
    # them must not have each one raised and gathered.
    items = cattrs.Converter(detailed_validation=False)
    for kind in (int, str):
        items.register_structure_hook(kind, _strict(kind))
    items.register_structure_hook(float, _number)
    items.register_structure_hook(bool, _flag)
    converter = items.copy()
    converter.register_structure_hook_factory(_is_sequence, lambda kind: _from_list(items, kind))
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
