"""What an event of a stream amounts to, in each API that clients speak. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["Stage", "chat_stage", "error_of", "messages_stage", "responses_stage"]

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


class Stage(Enum):
    """How far an answer is, by one of its events."""

    SETUP = "set-up"
    """Nothing that a person would miss: a role, an id, a ping."""
    CONTENT = "content"
    """A part of the answer, or its end."""
    ERROR = "error"
    """The upstream's own error."""


def chat_stage(payload: dict[str, Any]) -> Stage:
    """Return what an event of a chat completion amounts to."""
    if payload.get("error"):
        return Stage.ERROR
    choices = payload.get("choices")
    said = any(_says(choice) for choice in choices) if isinstance(choices, list) else False
    return Stage.CONTENT if said else Stage.SETUP


def _says(choice: Any) -> bool:
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
    return Stage.SETUP if kind is None or kind in _RESPONSES_SETUP else Stage.CONTENT


def messages_stage(payload: dict[str, Any]) -> Stage:
    """Return what an event of a message amounts to."""
    kind = payload.get("type")
    if kind == "error" or (kind is None and payload.get("error")):
        return Stage.ERROR
    if kind == "content_block_start":
        block = payload.get("content_block")
        begun = isinstance(block, dict) and block.get("type") not in ("text", "thinking")
        return Stage.CONTENT if begun else Stage.SETUP
    return Stage.SETUP if kind in (None, "message_start", "ping") else Stage.CONTENT


def error_of(payload: dict[str, Any]) -> Any:
    """Return the error that an event is, in whichever API."""
    response = payload.get("response")
    if isinstance(response, dict) and response.get("error"):
        return response["error"]
    return payload.get("error") or payload
