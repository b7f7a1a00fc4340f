"""Messages of Automerge's sync protocol, read and written by ourselves.

Only the first version of the message is used: a later one may carry a whole document, which could
not be looked at before the library does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.index.numbers import MalformedError, Reader, unsigned

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CHANGES", "HASHES", "MESSAGE_BYTES", "Have", "Message", "read_message", "write_message"]

_FIRST_VERSION: Final = 0x42
_HASH: Final = 32
HASHES: Final = 100_000
"""Hashes that each list of a message has at most."""
CHANGES: Final = 200_000
"""Changes that one message has at most."""
MESSAGE_BYTES: Final = 256 * 1024**2
"""Bytes of a message, changes and all."""
_HAVES: Final = 8
_BITS_PER_ENTRY: Final = 10
_PROBES: Final = 7


@attrs.frozen
class Have:
    """What the other end says that it has.

    Attributes:
        since: the changes that both ends had when they last spoke.
        filter: a Bloom filter of the changes after these.
    """

    since: tuple[bytes, ...]
    filter: bytes = attrs.field(repr=False)


@attrs.frozen
class Message:
    """One message.

    Attributes:
        heads: the newest changes that its sender has.
        needs: changes that it asks for.
        haves: what it has.
        changes: the bytes of changes.
    """

    heads: tuple[bytes, ...]
    needs: tuple[bytes, ...]
    haves: tuple[Have, ...]
    changes: tuple[bytes, ...] = attrs.field(repr=False)


def read_message(data: bytes) -> Message:
    """Return what a message says. Raises: MalformedError.

    What newer libraries write behind the changes, to say what they understand, is left out.
    """
    if len(data) > MESSAGE_BYTES:
        raise MalformedError(f"a message of {len(data)} bytes; {MESSAGE_BYTES} is the most")
    reader = Reader(data)
    if reader.take(1)[0] != _FIRST_VERSION:
        raise MalformedError("this is not a sync message of the first version")
    heads, needs = _hashes(reader), _hashes(reader)
    haves = [Have(_hashes(reader), _filter(reader)) for _ in range(_count(reader, _HAVES))]
    changes = [reader.counted(MESSAGE_BYTES) for _ in range(_count(reader, CHANGES))]
    return Message(heads, needs, tuple(haves), tuple(changes))


def write_message(message: Message) -> bytes:
    """Return a message as bytes."""
    parts = [bytes([_FIRST_VERSION]), _listed(message.heads), _listed(message.needs)]
    parts.append(unsigned(len(message.haves)))
    for have in message.haves:
        parts += [_listed(have.since), unsigned(len(have.filter)), have.filter]
    parts.append(unsigned(len(message.changes)))
    for change in message.changes:
        parts += [unsigned(len(change)), change]
    return b"".join(parts)


def _listed(hashes: Sequence[bytes]) -> bytes:
    return unsigned(len(hashes)) + b"".join(hashes)


def _count(reader: Reader, most: int) -> int:
    count = reader.number()
    if count > most:
        raise MalformedError(f"{count} of something in a message; {most} is the most")
    return count


def _hashes(reader: Reader) -> tuple[bytes, ...]:
    found = tuple(reader.take(_HASH) for _ in range(_count(reader, HASHES)))
    if list(found) != sorted(set(found)):
        raise MalformedError("the hashes of a message are not in order")
    return found


def _filter(reader: Reader) -> bytes:
    """Return a filter that is no larger than its entries, and takes no longer to look at."""
    data = reader.counted(HASHES * 2 * _BITS_PER_ENTRY)
    inner = Reader(data)
    if not data:
        return data
    entries, bits, probes = inner.number(), inner.number(), inner.number()
    expected = -(-entries * _BITS_PER_ENTRY // 8)
    if not entries or (bits, probes, inner.left) != (_BITS_PER_ENTRY, _PROBES, expected):
        raise MalformedError("the filter of a message has other measures than it should")
    return data
