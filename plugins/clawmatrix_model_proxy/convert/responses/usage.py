"""What an answer took, as the Responses API says it."""

from __future__ import annotations

from typing import Any

import msgspec

from clawmatrix_model_proxy.neutral.answer import Usage
from clawmatrix_model_proxy.neutral.codec import BadAnswer

__all__ = ["read_count", "read_usage", "write_usage"]

_KNOWN = {
    ("input", "cached_tokens"): "cached",
    ("input", "cache_write_tokens"): "cache_written",
    ("output", "reasoning_tokens"): "reasoning",
}


def read_usage(value: Any) -> Usage | None:
    """Read what an answer took; None where it is not said. Raises: BadAnswer."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadAnswer("usage is not an object")
    details: dict[str, int] = {}
    more: dict[tuple[str, str], int] = {}
    for group in ("input", "output"):
        counts = value.get(f"{group}_tokens_details")
        for name, count in counts.items() if isinstance(counts, dict) else ():
            known = _KNOWN.get((group, name))
            if known is not None and count is not None:
                details[known] = _count(name, count)
            elif type(count) is int:
                more[group, name] = count
    said = Usage(_of(value, "input_tokens"), _of(value, "output_tokens"), more=more)
    return msgspec.structs.replace(said, **details)


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
    if body.get("input_tokens") is None:
        raise BadAnswer("input_tokens is missing")
    return _of(body, "input_tokens")


def _of(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    return 0 if value is None else _count(name, value)


def _count(name: str, value: Any) -> int:
    if type(value) is not int:
        raise BadAnswer(f"{name} is not a count")
    return value
