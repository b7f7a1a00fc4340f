"""What an event of a stream amounts to, in the API the client speaks. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["Stage", "stage_of"]

_SAID = ("content", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning")


class Stage(Enum):
    """How far an answer is, by one of its events."""

    SETUP = "set-up"
    """Nothing that a person would miss: a role, an id, a ping."""
    CONTENT = "content"
    """A part of the answer, or its end."""
    ERROR = "error"
    """The upstream's own error."""


def stage_of(payload: dict[str, Any]) -> Stage:
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
