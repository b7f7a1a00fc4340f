"""Seals on calls of tools and on thoughts, as chat completions have them: ``extra_content``.

A server that seals calls puts the seal there under its maker's name, and wants it back. Many
clients drop what they do not know, so for a client the seal of a call is in its id too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.json_values import decode
from clawmatrix_model_proxy.neutral.sealed import sealed_id

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.fields import Fields

__all__ = ["answer_seal", "client_call", "client_seal", "thought_seal", "written_seal"]

_BY_BLOCKS = ("messages", "responses")
_FIELD, _INNER = "extra_content", "thought_signature"


def answer_seal(fields: Fields) -> tuple[str, str]:
    """Take the seal of a call in an upstream's answer, all of it; empty where there is none."""
    extra = fields.take(_FIELD, dict)
    return (msgspec.json.encode(extra).decode(), "chat") if extra else ("", "")


def client_seal(fields: Fields) -> tuple[str, str] | None:
    """Take the seal of a call that a client gives back, and who sealed it; None without."""
    extra = fields.take(_FIELD, dict)
    if not extra:
        return None
    if len(extra) == 1:
        [(maker, inner)] = extra.items()
        seal = inner.get(_INNER) if isinstance(inner, dict) else None
        if isinstance(seal, str):
            return seal, maker
    return msgspec.json.encode(extra).decode(), "chat"


def written_seal(sealed: str, sealed_by: str) -> dict[str, Any]:
    """Return the field that has a seal; nothing where there is none."""
    if not sealed:
        return {}
    if sealed_by == "chat":
        try:
            return {_FIELD: decode(sealed.encode())}
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return {}  # a client changed it, so that nobody can read it any more
    return {_FIELD: {sealed_by: {_INNER: sealed}}}


def thought_seal(sealed: str, sealed_by: str) -> dict[str, Any]:
    """Return the field of a message that has the seal of its thoughts; nothing where it has none.

    Those of Messages and Responses hold for blocks and items, which a message does not keep apart.
    """
    return {} if sealed_by in _BY_BLOCKS else written_seal(sealed, sealed_by)


def client_call(
    call_id: str, inner: dict[str, Any], kind: str, sealed: str, sealed_by: str
) -> dict[str, Any]:
    """Write a call for a client: ``kind`` is ``function`` or ``custom``, ``inner`` what it has."""
    named = sealed_id(call_id, sealed, sealed_by)
    return {"id": named, "type": kind, kind: inner, **written_seal(sealed, sealed_by)}
