"""Seals on calls of tools and on thoughts, as chat completions have them: ``extra_content``.

A server that seals calls puts the seal there under its maker's name, and wants it back. Many
clients drop what they do not know, so for a client the seal of a call is in its id too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.chat.message_seals import OWN, chat_seal, kept_thought
from clawmatrix_model_proxy.json_values import decode
from clawmatrix_model_proxy.neutral.sealed import sealed_id

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Block
    from clawmatrix_model_proxy.neutral.fields import Fields

__all__ = [
    "answer_seal",
    "client_call",
    "client_seal",
    "is_of_text",
    "thought_seal",
    "written_seal",
]

_BY_BLOCKS = ("messages", "responses")
_FIELD, _INNER = "extra_content", "thought_signature"
_PART, _OF_TEXT = "part", "text"


def answer_seal(fields: Fields) -> tuple[str, str]:
    """Take the seal of a call in an upstream's answer, all of it; empty where there is none."""
    extra = fields.take(_FIELD, dict)
    return (msgspec.json.encode(extra).decode(), "chat") if extra else ("", "")


def is_of_text(fields: Fields) -> bool:
    """Say whether the seal of a message is that of its text, not of its thoughts."""
    extra = fields.left.get(_FIELD)
    inner = list(extra.values()) if isinstance(extra, dict) else ()
    return any(isinstance(one, dict) and one.get(_PART) == _OF_TEXT for one in inner)


def client_seal(fields: Fields) -> tuple[str, str] | None:
    """Take the seal of a call that a client gives back, and who sealed it; None without."""
    extra = dict(fields.take(_FIELD, dict) or {})
    extra.pop(OWN, None)
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


def thought_seal(block: Block, number: int) -> dict[str, Any]:
    """Return the field of a message that has the seal of a thought, or of a text.

    Args:
        block: the thought; one that is ``redacted`` has the seal of the text before it.
        number: its place among the thoughts.
    """
    sealed, maker = block.sealed, block.sealed_by
    if not sealed:
        return {}
    if maker in _BY_BLOCKS:
        return kept_thought(number, block)
    if maker == "chat":
        return chat_seal(sealed)
    written = written_seal(sealed, maker)
    if block.kind == "redacted":
        written[_FIELD][maker][_PART] = _OF_TEXT
    return written


def client_call(
    call_id: str, inner: dict[str, Any], kind: str, sealed: str, sealed_by: str
) -> dict[str, Any]:
    """Write a call for a client: ``kind`` is ``function`` or ``custom``, ``inner`` what it has."""
    named = sealed_id(call_id, sealed, sealed_by)
    return {"id": named, "type": kind, kind: inner, **written_seal(sealed, sealed_by)}
