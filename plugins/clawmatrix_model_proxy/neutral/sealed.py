"""What only its maker reads, on its way through an API that is not the maker's.

A client of one API keeps sealed thoughts for the next turn in the place that its API has for such
things, with a mark in front that says whose they are. A seal on the call of a tool has no place in
most APIs, so it travels inside the call's id, which every client gives back.
"""

from __future__ import annotations

import base64
import binascii
import re

__all__ = ["Sealer", "mark", "sealed_id", "unmark", "unsealed_id", "without_seals"]

Sealer = str
"""The name of the API (its codec's) whose upstreams read what is sealed; empty for nothing."""

_MARK = "clawmatrix."
_ID_MARK = "__clawmatrix_"
_ID_MARK_BYTES = _ID_MARK.encode()
_SEAL = re.compile(r"[A-Za-z0-9_-]+")
_MAKER = re.compile(r"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)*")
_ID_FIELDS = re.compile(
    rb'(?<!\\)("(?:id|call_id|tool_call_id|tool_use_id)"\s*+:\s*+")([^"\\]*+)(?=")'
)
"""Members of JSON that name a call. A quote inside a string has a backslash in front, so that the
text of a string never looks like one, and no byte of a value is looked at twice."""


def mark(sealed: str, sealed_by: Sealer, place: Sealer) -> str:
    """Return what to put into the place that an API has for sealed thoughts of its own."""
    return sealed if not sealed or sealed_by == place else f"{_MARK}{sealed_by}.{sealed}"


def unmark(kept: str, place: Sealer) -> tuple[str, Sealer]:
    """Return the sealed thoughts that stood in an API's place for them, and who sealed them."""
    if kept.startswith(_MARK):
        maker, dot, sealed = kept[len(_MARK) :].partition(".")
        if maker and dot:
            return sealed, maker
    return kept, place if kept else ""


def sealed_id(call_id: str, sealed: str, sealed_by: Sealer) -> str:
    """Return the id under which a client gets a call, with the call's seal in it."""
    if not sealed:
        return call_id
    seal = base64.urlsafe_b64encode(f"{sealed_by}.{sealed}".encode()).decode()
    return f"{call_id}{_ID_MARK}{seal.rstrip('=')}"


def unsealed_id(kept: str) -> tuple[str, str, Sealer]:
    """Return a call's own id, its seal and who sealed it, out of the id that a client gave back.

    An id whose end is not exactly what ``sealed_id`` makes has no seal, and is returned as it is.
    """
    call_id, found, seal = kept.rpartition(_ID_MARK)
    if not found or not _SEAL.fullmatch(seal):
        return kept, "", ""
    try:
        padded = seal + "=" * (-len(seal) % 4)
        words = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return kept, "", ""
    maker, _, sealed = words.partition(".")
    if not sealed or not _MAKER.fullmatch(maker) or sealed_id(call_id, sealed, maker) != kept:
        return kept, "", ""
    return call_id, sealed, maker


def without_seals(body: bytes) -> bytes:
    """Return a request without the seals in its ids, for an upstream that gets it unconverted.

    Nothing but the values of members that name a call is changed.
    """
    return _ID_FIELDS.sub(_unsealed, body) if _ID_MARK_BYTES in body else body


def _unsealed(field: re.Match[bytes]) -> bytes:
    kept = field[2].decode(errors="surrogateescape")
    call_id, seal, _ = unsealed_id(kept) if _ID_MARK in kept else (kept, "", "")
    return field[1] + call_id.encode(errors="surrogateescape") if seal else field[0]
