"""What an event of a stream amounts to, in each API that clients speak. Pure."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

__all__ = [
    "CHAT_LAST_WORDS",
    "MESSAGES_END",
    "RESPONSES_ENDS",
    "RESPONSES_SETUP",
    "Stage",
    "chat_stage",
    "ends_response",
    "error_of",
    "is_broken_off",
    "messages_stage",
    "responses_stage",
    "says",
    "says_end",
]

_BROKEN = re.compile(
    r"error|abort|cancel|fail|timed?_?out|malformed|network|insufficient|disconnect|overload"
    r"|unavailable|unloaded",
    re.IGNORECASE,
)
"""What is in reasons of servers that mean a failure, not an end."""
CHAT_LAST_WORDS = (
    b"error",
    b'"finish_reason":"',
    b'"finish_reason": "',
    b'"finish_reason" ',
)
"""Of an event that may be an error, or why an answer ended: most have ``null`` for that."""
_SAID = ("content", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning")
RESPONSES_SETUP = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        "keepalive",
        "ping",
    }
)
RESPONSES_ENDS = frozenset(
    {"response.completed", "response.incomplete", "response.cancelled", "response.done"}
)
_UNFINISHED = frozenset({"queued", "in_progress"})
MESSAGES_END = "message_stop"
_WHOLE = RESPONSES_ENDS | {"content_block_stop", "message_delta", MESSAGES_END}
"""Of Responses just the ends: its other events repeat the whole of what they are about."""


class Stage(Enum):
    """How far an answer is, by one of its events."""

    SETUP = "set-up"
    """Nothing that a person would miss, and a server says it before the model works: a role."""
    ALIVE = "alive"
    """Nothing that a person would miss, but the model works, as this says."""
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


def is_broken_off(reason: object) -> bool:
    """Say whether a server means by the reason of an end that it failed."""
    return isinstance(reason, str) and _BROKEN.search(reason) is not None


def _is_broken(choice: Any) -> bool:
    return isinstance(choice, dict) and is_broken_off(choice.get("finish_reason"))


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
    if kind in RESPONSES_SETUP:
        return Stage.ALIVE
    if kind in RESPONSES_ENDS or ends_response(payload):
        return Stage.END
    return Stage.CONTENT


def ends_response(payload: dict[str, Any]) -> bool:
    """Say whether an event of Responses is an end in a server's own word: it has a whole response.

    The status is that of no answer that goes on, or that failed.
    """
    kind, response = payload.get("type"), payload.get("response")
    if not isinstance(response, dict) or not isinstance(kind, str) or kind in RESPONSES_SETUP:
        return False
    status = response.get("status")
    return isinstance(status, str) and status not in _UNFINISHED and not is_broken_off(status)


def messages_stage(payload: dict[str, Any]) -> Stage:
    """Return what an event of a message amounts to."""
    kind = payload.get("type")
    if kind == "error" or (kind is None and payload.get("error")):
        return Stage.ERROR
    if kind == "content_block_start":
        block = payload.get("content_block")
        begun = isinstance(block, dict) and block.get("type") not in ("text", "thinking")
        return Stage.CONTENT if begun else Stage.ALIVE
    if kind == MESSAGES_END:
        return Stage.END
    delta = payload.get("delta") if kind == "message_delta" else None
    if isinstance(delta, dict) and is_broken_off(delta.get("stop_reason")):
        return Stage.BROKEN
    if kind is None and payload.get("object") == "error":
        return Stage.BROKEN
    if kind in ("message_start", "ping"):
        return Stage.ALIVE
    return Stage.SETUP if kind is None else Stage.CONTENT


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
    choices, delta = payload.get("choices"), payload.get("delta")
    reasons = [one for one in choices if _is_broken(one)] if isinstance(choices, list) else ()
    if reasons:
        return {"message": f"the upstream broke off: {reasons[0]['finish_reason']}"}
    if isinstance(delta, dict) and is_broken_off(delta.get("stop_reason")):
        return {"message": f"the upstream broke off: {delta['stop_reason']}"}
    return payload
