"""Whether a model works on while it says nothing, by the last that came of its answer.

A model that thinks may be silent for as long as one that has not begun. One in the middle of a
sentence may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.streams.stages import RESPONSES_SETUP

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["chat_thinks", "messages_thinks", "responses_thinks"]

Fields = dict[str, Any]
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_SAID = ("content", "tool_calls", "function_call", "refusal")
_BETWEEN = frozenset({"message_start", "ping"})
_THINKING_DELTAS = frozenset({"thinking_delta", "signature_delta"})
_THINKING_BLOCKS = frozenset({"thinking", "redacted_thinking"})


def chat_thinks(events: Sequence[Fields]) -> bool:
    """Say whether the last of these events of a chat completion is a thought."""
    choices = events[-1].get("choices") if events else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    delta = choice.get("delta") if isinstance(choice, dict) else None
    if not isinstance(delta, dict) or any(delta.get(name) for name in _SAID):
        return False
    return any(delta.get(name) for name in _THOUGHTS)


def messages_thinks(events: Sequence[Fields]) -> bool:
    """Say whether the last of these events of a message is a thought, or a ping."""
    for event in reversed(events):
        kind = event.get("type")
        if kind != "content_block_stop":
            return kind in _BETWEEN or _is_thought(event)
    return False


def _is_thought(event: Fields) -> bool:
    delta, block = event.get("delta"), event.get("content_block")
    if isinstance(delta, dict):
        return delta.get("type") in _THINKING_DELTAS
    return isinstance(block, dict) and block.get("type") in _THINKING_BLOCKS


def responses_thinks(events: Sequence[Fields]) -> bool:
    """Say whether the last of these events of a response is a thought, or says nothing."""
    kind = events[-1].get("type") if events else None
    if not isinstance(kind, str):
        return False
    if kind == "response.output_item.done":
        item = events[-1].get("item")
        return isinstance(item, dict) and item.get("type") == "reasoning"
    return kind in RESPONSES_SETUP or kind.startswith("response.reasoning")
