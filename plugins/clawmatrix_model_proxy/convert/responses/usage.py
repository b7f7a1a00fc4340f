"""What an answer took, as the Responses API says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.neutral.counts import count_of

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Usage

__all__ = ["read_count", "write_usage"]


def write_usage(usage: Usage) -> dict[str, Any]:
    """Write what an answer took; details that nobody said are 0, since there must be some."""
    more: dict[str, dict[str, int]] = {"input": {}, "output": {}}
    for (group, name), count in usage.more.items():
        more.setdefault(group, {})[name] = count
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            **more["input"],
            "cached_tokens": usage.cached or 0,
            "cache_write_tokens": usage.cache_written or 0,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {**more["output"], "reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.input + usage.output,
        **({"estimated": True} if usage.estimated else {}),
    }


def read_count(body: dict[str, Any]) -> int:
    """Read the answer to a question for the number of tokens. Raises: BadAnswer."""
    count = count_of(body.get("input_tokens"))
    if count is None:
        raise BadAnswer("input_tokens is missing, or no number of tokens")
    return count
