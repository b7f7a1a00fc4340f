"""Changes of the one shape that this plugin writes: new texts in the one map of the document.

A change is read for what it says, written anew, and compared: bytes that another one would have
written are refused. So nothing reaches the library but what the library writes itself.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.index.numbers import MalformedError, Reader, signed, unsigned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "BASE",
    "BASE_ACTOR",
    "BASE_HASH",
    "CHANGE_BYTES",
    "DEPENDENCIES",
    "ENTRIES",
    "FILES",
    "Change",
    "read_change",
]

_MAGIC: Final = b"\x85\x6f\x4a\x83"
_PLAIN, _DEFLATED = 1, 2
_HASH: Final = 32
_ACTOR: Final = 16

BASE_ACTOR: Final = b"clawmatrix-files"
"""Who made the map, in every document: else two nodes would make two."""
FILES: Final = "files"
"""The name of the map."""
ENTRIES: Final = 500
"""Versions that one change has at most."""
CHANGE_BYTES: Final = 4 * 1024**2
"""Bytes that a change has at most, once it is inflated."""
DEPENDENCIES: Final = 1024
"""Changes that one change may name as those right before it."""
_TEXT_BYTES: Final = 1024**2

_ONE: Final = 1
_IS_TEXT: Final = 6
"""What stands for a text beside its length."""


@attrs.frozen
class Change:
    """What a change says.

    Attributes:
        hash: 32 bytes that name it.
        dependencies: the hashes of the changes right before it, sorted.
        actor: 16 bytes, who made it: fresh at each opening of a document.
        seq: the number among the changes of its actor, from 1 on.
        start: the number of its first operation.
        entries: the keys and texts that it puts into the map.
        data: its bytes, as they are given to the library.
    """

    hash: bytes = attrs.field(repr=lambda value: value.hex()[:12])
    dependencies: tuple[bytes, ...] = attrs.field(repr=False)
    actor: bytes
    seq: int
    start: int
    entries: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    data: bytes = attrs.field(repr=False)

    @property
    def last(self) -> int:
        """The number of its last operation."""
        return self.start + len(self.entries) - 1


def read_change(data: bytes) -> Change:
    """Return what a change says. Raises: MalformedError, where it is not of our shape."""
    body = _body(data)
    reader = Reader(body)
    dependencies = _hashes(reader)
    actor = reader.counted(_ACTOR)
    seq, start = reader.number(), reader.number()
    if (reader.signed_number(), reader.number(), reader.number()) != (0, 0, 1):
        raise MalformedError("a change has a time, a message, or other actors")
    if len(actor) != _ACTOR or reader.counted(_ACTOR) != BASE_ACTOR or not (seq and start):
        raise MalformedError("a change is not by an actor of this plugin")
    columns = _columns(reader)
    reader.end()
    keys, values = _entries(columns)
    if columns != _columns_of(keys, values):
        raise MalformedError("the columns of a change are not written as they should be")
    head = (dependencies, actor, seq, start)
    if _head_of(*head) + _table_of(columns) != body:
        raise MalformedError("a change is not written as it should be")
    entries = tuple(zip(map(_text, keys), map(_text, values), strict=True))
    return Change(_hash_of(body), tuple(dependencies), actor, seq, start, entries, data)


def _body(data: bytes) -> bytes:
    """Return what is in a change's envelope. Raises: MalformedError."""
    reader = Reader(data)
    if reader.take(4) != _MAGIC:
        raise MalformedError("this is not a change")
    checksum, kind = reader.take(4), reader.take(1)[0]
    body = reader.counted(CHANGE_BYTES)
    reader.end()
    if kind == _DEFLATED:
        body = _inflated(body)
    elif kind != _PLAIN:
        raise MalformedError("this is not a change")
    if _hash_of(body)[:4] != checksum:
        raise MalformedError("the checksum of a change is wrong")
    return body


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(data, CHANGE_BYTES)
    except zlib.error:
        raise MalformedError("a change cannot be inflated") from None
    if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise MalformedError("a change is too large, or cut off")
    return body


def _hash_of(body: bytes) -> bytes:
    return hashlib.sha256(bytes([_PLAIN]) + unsigned(len(body)) + body).digest()


def _hashes(reader: Reader) -> list[bytes]:
    count = reader.number()
    if not 0 < count <= DEPENDENCIES:
        raise MalformedError(f"{count} changes before a change; 1 to {DEPENDENCIES} are taken")
    found = [reader.take(_HASH) for _ in range(count)]
    if found != sorted(set(found)):
        raise MalformedError("the changes before a change are not in order")
    return found


# --- columns: objects, keys, whether inserted, actions, kinds and bytes of values, predecessors

_ACTORS, _COUNTERS, _KEYS, _INSERTED, _ACTIONS, _KINDS, _VALUES, _BEFORE = (
    0x01,
    0x02,
    0x15,
    0x34,
    0x42,
    0x56,
    0x57,
    0x70,
)
_SPECS: Final = (_ACTORS, _COUNTERS, _KEYS, _INSERTED, _ACTIONS, _KINDS, _VALUES, _BEFORE)


def _columns(reader: Reader) -> dict[int, bytes]:
    if reader.number() != len(_SPECS):
        raise MalformedError("a change does not have the columns of new texts")
    table = [(reader.number(), reader.number()) for _ in _SPECS]
    if tuple(spec for spec, _ in table) != _SPECS:
        raise MalformedError("a change does not have the columns of new texts")
    return {spec: reader.take(length) for spec, length in table}


def _entries(columns: dict[int, bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return keys and values, which may be wrong still where other columns are."""
    reader = Reader(columns[_KEYS])
    count = -reader.signed_number()
    if not 0 < count <= ENTRIES:
        raise MalformedError(f"{count} keys in a change; 1 to {ENTRIES} are taken")
    keys = [reader.counted(_TEXT_BYTES) for _ in range(count)]
    reader.end()
    if len(set(keys)) != count:
        raise MalformedError("a change has a key twice")
    lengths = _lengths(Reader(columns[_KINDS]), count)
    texts = Reader(columns[_VALUES])
    values = [texts.take(length) for length in lengths]
    texts.end()
    return keys, values


def _lengths(reader: Reader, count: int) -> list[int]:
    found: list[int] = []
    while reader.left:
        run = reader.signed_number()
        if not run or len(found) + abs(run) > count:
            raise MalformedError("a change has other numbers of keys and of values")
        kinds = [reader.number()] * run if run > 0 else [reader.number() for _ in range(-run)]
        if any(kind & 0xF != _IS_TEXT for kind in kinds):
            raise MalformedError("a change has a value that is no text")
        found += [kind >> 4 for kind in kinds]
    if len(found) != count:
        raise MalformedError("a change has other numbers of keys and of values")
    return found


def _columns_of(keys: Sequence[bytes], values: Sequence[bytes]) -> dict[int, bytes]:
    count = len(keys)
    return {
        _ACTORS: _runs([_ONE] * count),
        _COUNTERS: _runs([_ONE] * count),
        _KEYS: signed(-count) + b"".join(unsigned(len(key)) + key for key in keys),
        _INSERTED: unsigned(count),
        _ACTIONS: _runs([_ONE] * count),
        _KINDS: _runs([len(value) << 4 | _IS_TEXT for value in values]),
        _VALUES: b"".join(values),
        _BEFORE: _runs([0] * count),
    }


def _runs(numbers: Sequence[int]) -> bytes:
    """Return numbers as runs: of equal ones how many there are, of others all of them."""
    out = bytearray()
    apart: list[int] = []
    at = 0
    while at < len(numbers):
        end = at + 1
        while end < len(numbers) and numbers[end] == numbers[at]:
            end += 1
        if end - at == 1:
            apart.append(numbers[at])
        else:
            out += _apart(apart) + signed(end - at) + unsigned(numbers[at])
            apart = []
        at = end
    return bytes(out + _apart(apart))


def _apart(numbers: Iterable[int]) -> bytes:
    written = [unsigned(number) for number in numbers]
    return signed(-len(written)) + b"".join(written) if written else b""


def _head_of(dependencies: Sequence[bytes], actor: bytes, seq: int, start: int) -> bytes:
    parts = [
        unsigned(len(dependencies)),
        *dependencies,
        unsigned(_ACTOR),
        actor,
        unsigned(seq),
        unsigned(start),
        b"\0\0\1",  # no time, no message, one other actor
        unsigned(_ACTOR),
        BASE_ACTOR,
    ]
    return b"".join(parts)


def _table_of(columns: dict[int, bytes]) -> bytes:
    heads = b"".join(unsigned(spec) + unsigned(len(columns[spec])) for spec in _SPECS)
    return unsigned(len(_SPECS)) + heads + b"".join(columns[spec] for spec in _SPECS)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedError("a change has a text that is not UTF-8") from None


def _base() -> bytes:
    key = unsigned(len(FILES)) + FILES.encode()
    columns = b"\x15%c\x34\x01\x42\x02\x56\x02\x70\x02" % (len(key) + 1)
    body = (
        b"\0"
        + unsigned(_ACTOR)
        + BASE_ACTOR
        + b"\1\1\0\0\0\5"
        + columns
        + (b"\x7f" + key + b"\1\x7f\0\x7f\0\x7f\0")
    )
    return _MAGIC + _hash_of(body)[:4] + bytes([_PLAIN]) + unsigned(len(body)) + body


BASE: Final = _base()
"""The first change of every document, which makes the map."""
BASE_HASH: Final = _hash_of(BASE[10:])
