"""Why an answer ended, and what it took, in the words of chat completions: both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.neutral.ends import end_of
from clawmatrix_model_proxy.neutral.fields import bad_answer

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_model_proxy.neutral.answer import BlockKind, FinishReason, Usage

__all__ = ["read_reason", "written_reason", "written_usage"]

_READ: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    # What servers say in place of these.
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "model_length": "length",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "sensitive": "content_filter",
    "stop_sequence": "stop",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "pause": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}


def read_reason(
    reason: object, kinds: Collection[BlockKind], stopped_by: Any
) -> tuple[FinishReason, str | None]:
    """Return why an answer of such blocks ended, and the words that ended it, where known.

    Servers say ``stop`` after calls and refusals too, and words that nobody knows, which are the
    nearest end. Raises: BadAnswer, for one that means a failure.
    """
    called = "tool" in kinds or "free_tool" in kinds
    read = end_of(reason, _READ)
    if read is None:
        raise bad_answer("finish_reason", f"the upstream broke off: {reason}")
    if read == "tool_calls" and not called and reason not in _READ:
        read = "stop"  # it said so in a word of its own, and there is no call
    if read != "stop":
        return read, None
    if called:
        return "tool_calls", None
    if "refusal" in kinds:
        return "refusal", None
    if isinstance(stopped_by, str) and stopped_by:
        return "stop_sequence", stopped_by
    return "stop", None


def written_reason(reason: FinishReason, kinds: Collection[BlockKind]) -> str:
    """Return the finish reason to give. A refusal that has words is an answer."""
    if reason == "refusal" and "refusal" in kinds:
        return "stop"
    return _WRITTEN[reason]


def written_usage(usage: Usage) -> dict[str, Any]:
    """Write what an answer took."""
    written: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    inputs = {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_written}
    outputs = {"reasoning_tokens": usage.reasoning}
    for side, group, known in (("prompt", "input", inputs), ("completion", "output", outputs)):
        more = {name: count for (of, name), count in usage.more.items() if of == group}
        details = {name: count for name, count in (known | more).items() if count is not None}
        if details:
            written[f"{side}_tokens_details"] = details
    return written | {"estimated": True} if usage.estimated else written
