"""What a maker seals in the message of a chat completion, and thoughts that others sealed.

Servers put seals beside the words: ``extra_content`` and ``reasoning_details``. They come with a
message, and with a call after its name, and go back to where they were. Thoughts of Messages and
Responses hold for blocks and items, so a client of chat completions keeps them one by one in an
``extra_content`` of this node's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.neutral.answer import Block, part_of
from clawmatrix_model_proxy.neutral.fields import bad_answer
from clawmatrix_model_proxy.neutral.request import Reasoning

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "OWN",
    "MessageSeals",
    "chat_seal",
    "kept_thought",
    "merge",
    "put_back",
    "thoughts_kept",
]

OWN = "clawmatrix"
"""The name under which thoughts are kept for a client."""
_EXTRA, _DETAILS, _CALLS = "extra_content", "reasoning_details", "tool_calls"
_SEALS = ("signature", "data")
_JOINED = ("text", "summary", "data")
_encode = msgspec.json.Encoder().encode
_decode_thought = msgspec.json.Decoder(Reasoning).decode


class MessageSeals:
    """Gathers what is sealed in one message of an upstream's, whole or in pieces."""

    def __init__(self) -> None:
        self._extra: dict[str, Any] = {}
        self._details: list[dict[str, Any]] = []
        self._calls: dict[str, Any] = {}

    def take(self, message: dict[str, Any]) -> None:
        """Note what a message, or a piece of one, has of seals. Raises: BadAnswer."""
        extra, details = message.get(_EXTRA), message.get(_DETAILS)
        if isinstance(extra, dict):
            self._extra |= extra
        for detail in details if isinstance(details, list) else ():
            if not isinstance(detail, dict):
                raise bad_answer(_DETAILS, "must be a list of objects")
            self._detail(detail)

    def take_call(self, call_id: str, sealed: str) -> None:
        """Note the seal of a call that comes when the call has been told already."""
        self._calls[call_id] = decode(sealed.encode())

    @property
    def sealed(self) -> str:
        """All that was gathered since the last time; empty where there is nothing."""
        # Details that have words only are those of ``reasoning`` beside them.
        sealed = any(one.get(name) for one in self._details for name in _SEALS)
        details = self._details if sealed else []
        found = {_EXTRA: self._extra, _DETAILS: details, _CALLS: self._calls}
        self._extra, self._details, self._calls = {}, [], {}
        kept = {name: value for name, value in found.items() if value}
        return _encode(kept).decode() if kept else ""

    def _detail(self, detail: dict[str, Any]) -> None:
        """Add a piece of a thought to the thought of its number."""
        last = self._details[-1] if self._details else None
        index = detail.get("index")
        together = last is not None and index is not None and last.get("index") == index
        if last is None or not together or last.get("type") != detail.get("type"):
            self._details.append(dict(detail))
            return
        for name, value in detail.items():
            before = last.get(name)
            if name in _JOINED and isinstance(before, str) and isinstance(value, str):
                last[name] = before + value
            elif value is not None:
                last[name] = value


def put_back(message: dict[str, Any], thoughts: Iterable[Reasoning]) -> None:
    """Put what a chat upstream sealed into the message that it sealed it in."""
    for thought in thoughts:
        kept = _kept(thought.sealed) if thought.sealed_by == "chat" else {}
        merge(message, kept)
        calls: Any = kept.get(_CALLS)
        for call in message.get(_CALLS, ()) if isinstance(calls, dict) else ():
            if call["id"] in calls:
                call.setdefault(_EXTRA, calls[call["id"]])


def merge(message: dict[str, Any], kept: dict[str, Any]) -> None:
    """Put seals beside those that a message has."""
    extra, details = kept.get(_EXTRA), kept.get(_DETAILS)
    for name, inner in extra.items() if isinstance(extra, dict) else ():
        there = message.setdefault(_EXTRA, {})
        both = isinstance(inner, dict) and isinstance(there.get(name), dict)
        there[name] = {**there[name], **inner} if both else inner
    if isinstance(details, list):
        message[_DETAILS] = [*message.get(_DETAILS, ()), *details]


def chat_seal(sealed: str) -> dict[str, Any]:
    """Return the fields of a message that a chat upstream sealed."""
    kept = _kept(sealed)
    return {name: kept[name] for name in (_EXTRA, _DETAILS) if name in kept}


def _kept(sealed: str) -> dict[str, Any]:
    try:
        kept = decode(sealed.encode())
    except (*NOT_JSON, UnicodeError):
        return {}  # a client changed it, so that nobody can read it any more
    return kept if isinstance(kept, dict) else {}


def kept_thought(number: int, block: Block) -> dict[str, Any]:
    """Return the field in which a client keeps a sealed thought, the one of a number."""
    return {_EXTRA: {OWN: {str(number): _encode(part_of(block)).decode()}}}


def thoughts_kept(extra: object) -> list[Reasoning]:
    """Return the thoughts that a client kept; what it changed is left out."""
    kept = extra.get(OWN) if isinstance(extra, dict) else None
    found = []
    for _, text in sorted(kept.items()) if isinstance(kept, dict) else ():
        try:
            found.append(_decode_thought(text))
        except (msgspec.DecodeError, msgspec.ValidationError, TypeError, UnicodeError):
            continue
    return found
