"""What a member says of itself and of others: headers, records, revocations, successions."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

import msgspec

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.directory import Accepted, Directory
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.record import SignedRecord
from clawmatrix_core.members.revocation import Revocation, SignedRevocation
from clawmatrix_core.members.revocations import Revocations
from clawmatrix_core.members.succession import hand_over, predecessors
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.wire.codec import (
    TTL_START,
    Header,
    decode_header,
    encode_header,
    join,
    payload_of,
    split,
    with_ttl,
)
from clawmatrix_mesh.times import utc_words
from clawmatrix_model_proxy.asking.catalog import read_offers
from tests.core.members.members import LABEL, Member, base64_of
from tests.fuzzing.target import Target
from tests.plugins.relay.tables import shortest_routes

__all__ = ["TARGETS", "record_text"]

OWN = Member("home")
MALLORY = Member("mallory")
EARLIER = Identity.generate(Random(1).randbytes)
NOW = 1_760_000_000.0
CHAIN = [hand_over("mallory", EARLIER, MALLORY.identity.sign_public, 1)]


def record_text(member: Member = MALLORY, **changes: Any) -> bytes:
    """Return the JSON of a record that has something in every field."""
    offers = {"models": [{"id": "m", "description": "words", "api": "chat", "upstreams": 2}]}
    record = member.record(
        addresses=("ws://127.0.0.1:1",),
        links={"home": 1.5, "lab": 20.0},
        tags=("gpu",),
        features=("revocations",),
        offers=offers,
        succession=tuple(CHAIN),
        version="0.1.0",
        **changes,
    )
    return SignedRecord.make(record, member.identity).text.encode()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _json(data: bytes) -> Any:
    """Return what a body is decoded to; the switch has refused what is no JSON."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(data)


# --- frames


def header(data: bytes) -> None:
    """Take a message apart; what a relay sends on differs in one byte."""
    wire = split(data)
    read = decode_header(wire.line)
    if wire.ttl > 0:
        sent = with_ttl(data, wire.ttl - 1)
        assert sent[1:] == data[1:]
        assert split(sent).line == wire.line
    assert decode_header(encode_header(read)) == read


def body(data: bytes) -> None:
    """Read what was in a sealed body."""
    payload, behind = payload_of(data[:1], data[1:])
    assert behind is None or data[:1] == b"m"
    if not isinstance(payload, bytes):
        json.dumps(payload)


def _bodies() -> list[bytes]:
    return [b'j{"code":"busy","detail":[1,{"a":null}]}', b"j", b"bytes", b'm{"a":"x"}\nbytes']


def _headers() -> list[bytes]:
    home, lab = NodeId("home"), NodeId("lab")
    headers = (
        Header("note", "", home, lab, 1_760_000_000_000),
        Header("data", "id1", home, lab, 1, "sealed", 3, True, True, 4, 262144, 0, 2),
        Header("model_req", "id2", home, lab, 1, "bytes", deadline=30_000),
    )
    return [join(encode_header(one), b"body", TTL_START) for one in headers]


# --- records


def record(data: bytes) -> None:
    """Take a record as it travels."""
    signed = SignedRecord.from_wire(_json(data))
    read = signed.read()
    signed.is_signed_by(read.sign_key_bytes())
    read.channel_key_bytes()
    read.past_keys()


def signed_record(data: bytes) -> None:
    """Take whatever a member signed into the directory, and act on what it says."""
    text = _text(data)
    signed = SignedRecord(text, base64_of(MALLORY.identity.sign(LABEL + text.encode())))
    directory = Directory(
        OWN.name, OWN.identity, TrustStore(MemoryState()), now=lambda: 1.0, wall=lambda: NOW
    )
    own = OWN.record()
    directory.put_own(own, SignedRecord.make(own, OWN.identity))
    outcome, read = directory.accept(SignedRecord.from_wire(signed.to_wire()))
    assert read.node_id != OWN.name or outcome in (Accepted.CONFLICT, Accepted.STALE)
    records = [peer.record for peer in directory.all()]
    routes = shortest_routes(OWN.name, {read.node_id: 1.0}, records)
    assert OWN.name not in routes
    list(read_offers(read.node_id, read.offers.get("models")))
    json.dumps([peer.signed.to_wire() for peer in directory.all()])


def _records() -> list[bytes]:
    wire = json.dumps(SignedRecord.make(MALLORY.record(), MALLORY.identity).to_wire())
    return [wire.encode(), json.dumps({"record": _text(record_text()), "sig": ""}).encode()]


# --- revocations


def revocation(data: bytes) -> None:
    """Take whatever a member signed, and read again what was kept of it."""
    text = _text(data)
    label = b"clawmatrix revocation v1\0"
    wire = {"revocation": text, "sig": base64_of(MALLORY.identity.sign(label + text.encode()))}
    state = MemoryState()
    trust = TrustStore(state)
    trust.check(MALLORY.name, MALLORY.identity.sign_public, proven=True, now=NOW)

    def load() -> Revocations:
        return Revocations(OWN.name, OWN.identity, state, trust, wall=lambda: NOW)

    kept = load()
    signed = SignedRevocation.from_wire(wire)
    kept.accept(signed)
    kept.flush()
    utc_words(signed.read().at)
    assert load().ids() == kept.ids()
    assert load().summary() == kept.summary()


def _revocations() -> list[bytes]:
    by = MALLORY.identity.sign_public
    said = Revocation("lab", bytes(32), "mallory", by, int(NOW * 1000), True, "stolen")
    return [SignedRevocation.make(said, MALLORY.identity).text.encode()]


def raw_revocation(data: bytes) -> None:
    """Take a revocation as it travels."""
    signed = SignedRevocation.from_wire(_json(data))
    signed.is_signed()
    _ = signed.order


def _raw_revocations() -> list[bytes]:
    by = MALLORY.identity.sign_public
    said = Revocation("lab", bytes(32), "mallory", by, int(NOW * 1000))
    return [json.dumps(SignedRevocation.make(said, MALLORY.identity).to_wire()).encode()]


# --- successions


def succession(data: bytes) -> None:
    """Go back a chain of keys; each key in it must have signed."""
    chain = _json(data)
    texts = [one for one in chain if isinstance(one, str)] if isinstance(chain, list) else []
    found = predecessors(texts, "mallory", MALLORY.identity.sign_public)
    assert set(found) <= {EARLIER.sign_public, OWN.identity.sign_public}


def _successions() -> list[bytes]:
    first = hand_over("mallory", OWN.identity, EARLIER.sign_public, 0)
    raw = base64.b64decode(CHAIN[0])
    return [json.dumps(chain).encode() for chain in (CHAIN, [first, *CHAIN], [base64_of(raw)])]


TARGETS = [
    Target("header", header, _headers, (RemoteProtocolError,)),
    Target("body", body, _bodies, (RemoteProtocolError,)),
    Target("record", record, _records, (RemoteProtocolError,)),
    Target("signed record", signed_record, lambda: [record_text()], (RemoteProtocolError,)),
    Target("revocation", raw_revocation, _raw_revocations, (RemoteProtocolError,)),
    Target("signed revocation", revocation, _revocations, (RemoteProtocolError,)),
    Target("succession", succession, _successions),
]
