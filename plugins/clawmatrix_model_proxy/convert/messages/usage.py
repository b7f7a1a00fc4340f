"""Tokens, and why an answer ended, as the Messages API says them, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.neutral.answer import Usage
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.neutral.ends import end_of

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import FinishReason

__all__ = ["read_reason", "write_reason", "write_usage"]

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "length",
    # What servers say in place of these.
    "stop": "stop",
    "length": "length",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "stop_sequence": "stop_sequence",
    "pause": "pause_turn",
}


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """Write ``usage``, which the API wants always: zeros where nothing is known."""
    usage = usage or Usage()
    fresh = usage.input - (usage.cached or 0) - (usage.cache_written or 0)
    body: dict[str, Any] = {"input_tokens": max(fresh, 0)}
    if usage.cache_written is not None:
        body["cache_creation_input_tokens"] = usage.cache_written
    if usage.cached is not None:
        body["cache_read_input_tokens"] = usage.cached
    body["output_tokens"] = usage.output
    if usage.reasoning is not None:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return body | {"estimated": True} if usage.estimated else body


def read_reason(reason: Any, *, calls: bool) -> FinishReason:
    """Read ``stop_reason``; ``calls`` says that tools were asked for.

    A reason that nobody knows is the nearest one. Raises: BadAnswer, for one that means a failure.
    """
    found = end_of(reason, _REASONS)
    if found is None:
        raise BadAnswer(f"the upstream broke off: {reason}")
    if found == "tool_calls" and not calls and reason not in _REASONS:
        return "stop"  # it said so in a word of its own, and there is no call
    return "tool_calls" if found == "stop" and calls else found


def write_reason(reason: FinishReason, *, calls: bool, refused: bool) -> str:
    """Write ``stop_reason``; ``refused`` says that the model said no in words of its own."""
    if reason in ("stop", "tool_calls"):
        return "tool_use" if calls else "refusal" if refused else "end_turn"
    return _WRITTEN[reason]
