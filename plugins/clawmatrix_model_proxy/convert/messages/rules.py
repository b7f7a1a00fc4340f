"""What servers of the Messages API refuse, as Anthropic's own does, which is the strictest."""

from __future__ import annotations

from clawmatrix_model_proxy.neutral.rules import (
    ApiRules,
    Range,
    SchemaRules,
    StopRules,
    ThinkingRules,
    Words,
)

__all__ = ["RULES"]

RULES = ApiRules(
    call_ids=Words("a-zA-Z0-9_-", 64),
    tool_names=Words("a-zA-Z0-9_-", 64),
    lengths={"user": 256},
    ranges={"max_tokens": Range(least=1), "temperature": Range(0, 1), "top_p": Range(0, 1)},
    together=(("temperature", "top_p"),),  # models since Claude 4.5 take one of them
    stops=StopRules(most=8191, blank=False),
    json=False,
    schemas=SchemaRules(closed=True),
    thinking=ThinkingRules(
        sampling={"temperature": Range(1, 1), "top_p": Range(0.95, 1)},
        absent=("top_k",),
        budget=1024,
    ),
)
