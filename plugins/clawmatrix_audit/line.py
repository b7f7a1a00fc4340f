"""One line of the audit: how it is written, and read again. No I/O.

A line is a JSON object. ``n``, the first key, is its number. ``prev`` is the SHA-256 of the
previous line without its line break. ``seal``, the last key, is an HMAC over the rest of the line
with the key of this node.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON

__all__ = ["GENESIS", "LINE", "Entry", "digest_of", "is_sealed", "read_line", "write_line"]

GENESIS: Final = "0" * 64
"""The ``prev`` of the first line."""
LINE = Bound(
    16 * 1024,
    "bytes of a line of the audit",
    fed_by="a member",
    when_full="each text in it is cut short, with … at its end",
)
_SEAL = b',"seal":"'


@attrs.frozen(slots=False)
class Entry:
    """A line that was read.

    Attributes:
        n: its number.
        event: what it tells of.
        prev: the hash of the line before.
        fields: all that is in it.
        raw: its bytes, without the line break.
    """

    n: int
    event: str
    prev: str
    fields: Mapping[str, JSON]
    raw: bytes = attrs.field(repr=False)

    @cached_property
    def digest(self) -> str:
        """The hash that the next line has to have as its ``prev``."""
        return digest_of(self.raw)


def digest_of(raw: bytes) -> str:
    """Return the hash of a line, in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def write_line(n: int, prev: str, fields: Mapping[str, JSON], key: bytes) -> bytes:
    """Return a line, without its line break. Raises: TypeError, ValueError, for what is no JSON."""
    body = msgspec.json.encode({"n": n, **fields, "prev": prev})
    return body[:-1] + _SEAL + _seal(body, key) + b'"}'


def read_line(raw: bytes) -> Entry:
    """Return what a line says. Raises: ValueError, where it is no line of the audit."""
    if len(raw) > LINE:
        raise ValueError(f"has over {LINE.text}")
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("is no JSON") from None
    match fields:
        case {"n": int(n), "event": str(event), "prev": str(prev), "seal": str()} if n > 0:
            return Entry(n, event, prev, fields, raw)
    raise ValueError("is no line of the audit")


def is_sealed(raw: bytes, key: bytes) -> bool:
    """Say whether a line is as the node with that key wrote it."""
    body, _, rest = raw.rpartition(_SEAL)
    return hmac.compare_digest(rest, _seal(body + b"}", key) + b'"}')


def _seal(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"line\0" + body, "sha256").hex().encode()
