"""What two nodes say to each other of the index of a workspace.

The exchange ``know_sync`` opens with the name of the workspace and two numbers, and is answered
with the same numbers. Then both ends send messages of the index, each a head and its compressed
bytes, whenever there is one; the exchange goes on until one end leaves.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from clawmatrix_core import Bound, ExchangeFailure
from clawmatrix_knowledge.index.messages import MESSAGE_BYTES
from clawmatrix_knowledge.versions import MERGE_RULES

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from clawmatrix_core import JSON, Exchange

__all__ = [
    "FORMAT",
    "MESSAGE",
    "BadMessage",
    "Numbers",
    "Opening",
    "check_numbers",
    "own_numbers",
    "read_numbers",
    "read_opening",
    "receive_message",
    "send_message",
]

FORMAT: Final = 1
"""The number of the format of the index, and of what is said here."""

MESSAGE = Bound(
    MESSAGE_BYTES,
    "bytes of one message of the index of a workspace, once it is inflated",
    fed_by="a member",
    when_full="the peer is named, and its share of the workspace stops until a person resumes it",
)
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class BadMessage(Exception):
    """A peer broke what is agreed here."""


class Opening(msgspec.Struct, frozen=True):
    """Asks for a share of a workspace."""

    workspace: Annotated[str, msgspec.Meta(max_length=64)]
    format: _Number
    rules: _Number


class Numbers(msgspec.Struct, frozen=True):
    """Says which format and which rules of merging the answering node has."""

    format: _Number
    rules: _Number


class _Head(msgspec.Struct, frozen=True):
    message: _Size
    size: _Size


def own_numbers() -> Numbers:
    """Return the numbers of this node."""
    return Numbers(FORMAT, MERGE_RULES)


def read_opening(payload: JSON) -> Opening:
    """Return what a node asks for. Raises: ExchangeFailure ``bad_request``."""
    try:
        return msgspec.convert(payload, Opening)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_request", str(error)) from None


def read_numbers(payload: JSON) -> Numbers:
    """Return the answer. Raises: ExchangeFailure ``bad_answer``."""
    try:
        return msgspec.convert(payload, Numbers)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_answer", f"that opens no share: {error}") from None


def check_numbers(told: Numbers | Opening, own: Numbers) -> None:
    """Raises: ExchangeFailure ``other_format``, where two nodes cannot share."""
    if (told.format, told.rules) != (own.format, own.rules):
        words = (
            f"format {told.format} and merge rules {told.rules} meet format {own.format} and "
            f"merge rules {own.rules}: both nodes need one release"
        )
        raise ExchangeFailure("other_format", words)


async def send_message(ex: Exchange, message: bytes) -> int:
    """Send a message of the index; return how many bytes it took."""
    packed = zlib.compress(message, 1)
    await ex.send({"message": len(packed), "size": len(message)}, packed)
    return len(packed)


async def receive_message(ex: AsyncIterable[JSON]) -> bytes | None:
    """Return the next message of the other end, None where it has left. Raises: BadMessage."""
    head: _Head | None = None
    inflater, data, taken = zlib.decompressobj(), bytearray(), 0
    async for payload in ex:
        if head is None:
            head = _read_head(payload)
            continue
        if not isinstance(payload, bytes) or taken + len(payload) > head.message:
            raise BadMessage("a message has other bytes than its head says")
        taken += len(payload)
        data += _inflated(inflater, payload, head.size - len(data))
        if taken == head.message:
            if not inflater.eof or len(data) != head.size or inflater.unused_data:
                raise BadMessage("a message has another size than its head says")
            return bytes(data)
    return None


def _read_head(payload: JSON) -> _Head:
    try:
        head = msgspec.convert(payload, _Head)
    except msgspec.ValidationError as error:
        raise BadMessage(f"that begins no message: {error}") from None
    if not 0 < head.size <= MESSAGE or not 0 < head.message <= MESSAGE:
        raise BadMessage(f"a message of {head.size} bytes; {MESSAGE.text} is the most")
    return head


def _inflated(inflater: zlib._Decompress, data: bytes, room: int) -> bytes:
    try:
        found = inflater.decompress(data, room + 1)
    except zlib.error as error:
        raise BadMessage(f"a message does not inflate: {error}") from None
    if len(found) > room or inflater.unconsumed_tail:
        raise BadMessage("a message has more bytes than its head says")
    return found
