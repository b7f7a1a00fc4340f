"""The bytes of a frame: a header line, and the body behind it.

One message of a transport is one frame::

    ttl (1 byte)   header (JSON on one line)   "\\n"   body (bytes to the end)

The header stays byte for byte what the origin wrote, so that a sealed body can
authenticate it; a relay lowers the first byte and reads nothing behind the newline.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal

import msgspec

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import LocalProtocolError, RemoteProtocolError
from clawmatrix_core.base.node_id import NAME_LIMIT, NodeId

__all__ = [
    "CHUNK",
    "HEADER_LIMIT",
    "LANES",
    "MESSAGE_LIMIT",
    "TTL_START",
    "Body",
    "Header",
    "Lane",
    "Wire",
    "decode_header",
    "encode_header",
    "join",
    "payload_of",
    "read_frame",
    "split",
    "with_ttl",
]

TTL_START = 32
HEADER_LIMIT = Bound(
    8 * 1024,
    "bytes of the header of a frame",
    fed_by="a member",
    when_full="the link is closed",
)
CHUNK = 64 * 1024
"""Bytes of payload one frame of an exchange carries at most."""
MESSAGE_LIMIT = Bound(
    1024 * 1024,
    "bytes of one frame, header and body",
    fed_by="a member",
    when_full="the link is closed",
)

# Limits on what peers write: a reply repeats names and ids, and has to fit into a header too;
# numbers that no honest node reaches must not get as far as arithmetic.
_Type = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT)]
_Id = Annotated[str, msgspec.Meta(max_length=NAME_LIMIT)]
_Node = Annotated[NodeId, msgspec.Meta(min_length=1, max_length=NAME_LIMIT)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
# One less: who answers acknowledges the number behind it, and must not break the rule by that.
_Place = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 2)]

Body = Literal["json", "bytes", "sealed"]
"""How the bytes behind a header line are read."""

_TTL = [bytes((value,)) for value in range(TTL_START + 1)]


class Lane(IntEnum):
    """Which queue of a link a frame waits in; lower goes first."""

    CONTROL = 0
    INTERACTIVE = 1
    BULK = 2


LANES = tuple(Lane)
"""The lanes by their numbers: a class of ``enum`` takes longer to say which one a number is."""


class Header(msgspec.Struct, frozen=True, omit_defaults=True, rename={"source": "from"}):
    """What relays read. Fields a version does not know are ignored.

    Attributes:
        type: what the frame is; features name their own (``model_req``), exchanges use
            ``data``, ``error``, ``cancel``, ``credit``, ``probe`` and ``unknown``.
        id: the exchange's id; empty on frames that belong to none.
        source: the node that wrote the frame (``from`` on the wire).
        to: the node it is for.
        timestamp: the origin's wall clock, in milliseconds since 1970. Never trusted.
        body: ``json``, ``bytes``, or ``sealed`` (see docs/protocol.md).
        seq: place of the frame in its direction of the exchange.
        re: true where the answering side wrote it.
        fin: true on the last frame of a direction.
        ack: the next ``seq`` the writer expects from the other side.
        limit: bytes the writer will take in this exchange, counted from its start.
        deadline: milliseconds the opening side allows, on the opening frame.
        lane: the queue it waits in at each hop.
    """

    type: _Type
    id: _Id
    source: _Node
    to: _Node
    timestamp: int
    body: Body = "json"
    seq: _Place = 0
    re: bool = False
    fin: bool = False
    ack: _Count = 0
    limit: _Count = 0
    deadline: _Count = 0
    lane: Literal[0, 1, 2] = 1


class Wire(msgspec.Struct, frozen=True):
    """A message taken apart, its header not yet decoded and its body untouched."""

    ttl: int
    line: bytes
    message: bytes
    body_at: int

    @property
    def body(self) -> bytes:
        """The bytes behind the header line, copied."""
        return self.message[self.body_at :]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Header).decode
# Plain numbers, which are compared faster: these are looked at for each frame.
_HEADER_LIMIT, _MESSAGE_LIMIT = int(HEADER_LIMIT), int(MESSAGE_LIMIT)
_HEADER_END = _HEADER_LIMIT + 2
_decode_any = msgspec.json.Decoder().decode


def encode_header(header: Header) -> bytes:
    """Return the header line, without its newline."""
    line = _encode(header)
    if len(line) > _HEADER_LIMIT:
        raise LocalProtocolError(f"the header has {len(line)} bytes, the limit is {HEADER_LIMIT}")
    return line


def decode_header(line: bytes) -> Header:
    """Return the header on the line. Raises: RemoteProtocolError."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"bad header: {error}", reason="bad_header") from None


def join(line: bytes, body: bytes, ttl: int = TTL_START) -> bytes:
    """Return the message of a header line and a body."""
    return b"".join((_TTL[ttl], line, b"\n", body))


def split(message: bytes) -> Wire:
    """Take a message apart. Raises: RemoteProtocolError."""
    if len(message) > _MESSAGE_LIMIT:
        raise RemoteProtocolError(
            f"a message of {len(message)} bytes, the limit is {MESSAGE_LIMIT}", reason="too_large"
        )
    end = message.find(b"\n", 1, _HEADER_END)
    if end < 0:
        raise RemoteProtocolError(
            f"no header within {HEADER_LIMIT} bytes", reason="header_too_large"
        )
    ttl = message[0]
    if ttl > TTL_START:
        raise RemoteProtocolError(f"a ttl of {ttl}, at most {TTL_START}", reason="bad_ttl")
    return Wire(ttl, message[1:end], message, end + 1)


def read_frame(message: bytes) -> tuple[Header, Wire]:
    """Return the header of a message, and its parts. Raises: RemoteProtocolError."""
    wire = split(message)
    return decode_header(wire.line), wire


def payload_of(kind: bytes, body: bytes) -> tuple[Any, bytes | None]:
    """Return the value behind a body's kind, and the bytes behind it, None for no bytes.

    Raises: RemoteProtocolError.
    """
    if kind == b"b":
        return body, None
    data = None
    if kind == b"m":
        line, mark, data = body.partition(b"\n")
        body = line if mark else b"\n"  # which is no JSON
    elif kind != b"j":
        raise RemoteProtocolError(f"a body of unknown kind {kind!r}", reason="bad_body")
    if not body:
        return None, data
    try:
        return _decode_any(body), data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"bad JSON: {error}", reason="bad_json") from None


def with_ttl(message: bytes, ttl: int) -> bytes:
    """Return the message with its first byte replaced: all that a relay changes."""
    return _TTL[ttl] + message[1:]
