"""What a body is, by its first bytes: events or JSON. Its content type often says otherwise."""

from __future__ import annotations

from enum import Enum

from clawmatrix_model_proxy.streams.sse import BYTE_ORDER_MARK

__all__ = ["Beginning", "beginning_of"]

_FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:", b"error:")
"""What a line of an event begins with, and what some servers write in place of one."""
_JSON = (b"{", b"[", b'"')
_BLANK = b" \t\r\n"


class Beginning(Enum):
    """What a body is."""

    EVENTS = "server-sent events"
    JSON = "JSON"
    OTHER = "neither"


def beginning_of(data: bytes) -> Beginning | None:
    """Return what the first bytes of a body say it is; None where more of them are needed."""
    if data.startswith(b"data:"):  # as most streams do
        return Beginning.EVENTS
    if data.startswith(b"{"):  # as most other answers do
        return Beginning.JSON
    text = data.removeprefix(BYTE_ORDER_MARK).lstrip(_BLANK)[: len(b"retry:")]
    if not text or BYTE_ORDER_MARK.startswith(text):
        return None
    if text.startswith(_JSON):
        return Beginning.JSON
    if text.startswith(_FIELDS):
        return Beginning.EVENTS
    return None if any(field.startswith(text) for field in _FIELDS) else Beginning.OTHER
