"""What stands in a line about a record: texts without secrets, and a digest of the arguments."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from clawmatrix_core import Bound, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, AuditRecord

__all__ = ["TEXT", "clean", "describe", "digest_arguments", "read_time", "time_text"]

TEXT = Bound(
    256,
    "characters of a text in a line of the audit",
    fed_by="a member",
    when_full="the rest is left out, with … in its place",
)
_ID: Final = 64
"""Characters of an id that stands in a line as it is; a digest stands for a longer one."""


def describe(record: AuditRecord, at: float, key: bytes) -> dict[str, JSON]:
    """Return the fields of the line about a record; ``at`` is in seconds since 1970.

    Raises: TypeError, ValueError, where its arguments are no JSON.
    """
    fields: dict[str, JSON] = {
        "at": time_text(at),
        "event": record.event,
        "id": _id(record.id, key),
        "peer": clean(record.peer),
        "key": None if record.key is None else clean(record.key),
        "action": clean(record.action),
        "target": clean(record.target),
        "caller": record.caller,
        "rule": clean(record.rule),
    }
    if record.arguments is not None:
        fields["arguments"] = digest_arguments(record.arguments, key)
    for name, text in (("approval", record.approval), ("outcome", record.outcome)):
        if text is not None:
            fields[name] = clean(text)
    if record.duration is not None:
        fields["duration"] = round(record.duration, 6)
    return fields


def digest_arguments(arguments: Mapping[str, JSON], key: bytes) -> str:
    """Return the digest of arguments: the same for the same ones, whatever their order.

    Who does not have the key cannot try values against it.
    """
    written = msgspec.json.encode(arguments, order="deterministic")
    return "hmac-sha256:" + hmac.digest(key, b"arguments\0" + written, "sha256").hex()


def clean(text: str) -> str:
    """Return a text as it may stand in the audit and in the log: one line, short, no secret."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in redact(text))
    return shown if len(shown) <= TEXT else shown[: TEXT - 1] + "…"


def _id(text: str, key: bytes) -> str:
    shown = clean(text)
    if len(text) <= _ID and shown == text:
        return text
    return (
        "hmac-sha256:" + hmac.digest(key, b"id\0" + text.encode(errors="replace"), "sha256").hex()
    )


def time_text(at: float) -> str:
    """Return seconds since 1970 as a line has them: ``2027-01-31T10:00:00.000Z``."""
    shown = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return shown.replace("+00:00", "Z")


def read_time(text: object) -> float | None:
    """Return the seconds of a time in a line, None where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
