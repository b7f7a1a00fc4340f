"""What an event of a stream amounts to, in each API that clients speak. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = [
    "BROKEN",
    "CHAT_LAST_WORDS",
    "MESSAGES_END",
    "RESPONSES_ENDS",
    "Stage",
    "chat_stage",
    "error_of",
    "messages_stage",
    "responses_stage",
    "says",
    "says_end",
]

BROKEN = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})
"""Finish reasons of chat servers that mean a failure, not an end."""
CHAT_LAST_WORDS = (b"error", b'"abort"', b"insufficient_system_resource")
_SAID = ("content", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning")
_RESPONSES_SETUP = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        "keepalive",
    }
)
RESPONSES_ENDS = frozenset({"response.completed", "response.incomplete", "response.cancelled"})
MESSAGES_END = "message_stop"
_WHOLE = RESPONSES_ENDS | {"content_block_stop", "message_delta", MESSAGES_END}
"""Of Responses just the ends: its other events repeat the whole of what they are about."""


class Stage(Enum):
    """How far an answer is, by one of its events."""

    SETUP = "set-up"
    """Nothing that a person would miss: a role, an id, a ping."""
    CONTENT = "content"
    """A part of the answer."""
    END = "end"
    """The API's own last event of an answer that is whole."""
    ERROR = "error"
    """The upstream's own error, as the API's clients know it."""
    BROKEN = "broken"
    """An error, in a shape in which the API's clients would not see it."""


def chat_stage(payload: dict[str, Any]) -> Stage:
    """Return what an event of a chat completion amounts to."""
    if payload.get("error"):
        return Stage.ERROR
    choices = payload.get("choices")
    if not isinstance(choices, list):
        return Stage.BROKEN if payload.get("object") == "error" else Stage.SETUP
    if any(_is_broken(choice) for choice in choices):
        return Stage.BROKEN
    said = any(says(choice) for choice in choices)
    return Stage.CONTENT if said else Stage.SETUP


def _is_broken(choice: Any) -> bool:
    reason = choice.get("finish_reason") if isinstance(choice, dict) else None
    return isinstance(reason, str) and reason in BROKEN


def says(choice: Any) -> bool:
    """Say whether a choice has words of the answer, or the reason for its end."""
    if not isinstance(choice, dict):
        return False
    delta = choice.get("delta")
    parts = delta if isinstance(delta, dict) else {}
    return bool(choice.get("finish_reason")) or any(parts.get(name) for name in _SAID)


def responses_stage(payload: dict[str, Any]) -> Stage:
    """Return what an event of a response amounts to."""
    kind = payload.get("type")
    if kind in ("error", "response.failed") or (kind is None and payload.get("error")):
        return Stage.ERROR
    if not isinstance(kind, str):
        return Stage.BROKEN if payload.get("object") == "error" else Stage.SETUP
    if kind in RESPONSES_ENDS:
        return Stage.END
    return Stage.SETUP if kind in _RESPONSES_SETUP else Stage.CONTENT


def messages_stage(payload: dict[str, Any]) -> Stage:
    """Return what an event of a message amounts to."""
    kind = payload.get("type")
    if kind == "error" or (kind is None and payload.get("error")):
        return Stage.ERROR
    if kind == "content_block_start":
        block = payload.get("content_block")
        begun = isinstance(block, dict) and block.get("type") not in ("text", "thinking")
        return Stage.CONTENT if begun else Stage.SETUP
    if kind == MESSAGES_END:
        return Stage.END
    if kind is None and payload.get("object") == "error":
        return Stage.BROKEN
    return Stage.SETUP if kind in (None, "message_start", "ping") else Stage.CONTENT


def says_end(payload: object) -> bool:
    """Say whether clients take an answer, or a part of it, for whole by this event."""
    if not isinstance(payload, dict):
        return False
    kind, choices = payload.get("type"), payload.get("choices")
    if isinstance(kind, str) and kind in _WHOLE:
        return True
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )


def error_of(payload: dict[str, Any]) -> Any:
    """Return the error that an event is, in whichever API."""
    response = payload.get("response")
    if isinstance(response, dict) and response.get("error"):
        return response["error"]
    if payload.get("error"):
        return payload["error"]
    choices = payload.get("choices")
    reasons = [one for one in choices if _is_broken(one)] if isinstance(choices, list) else ()
    if reasons:
        return {"message": f"the upstream broke off: {reasons[0]['finish_reason']}"}
    return payload
