"""What servers of chat completions refuse, as OpenAI's own does, which is the strictest."""

from __future__ import annotations

from clawmatrix_model_proxy.neutral.rules import ApiRules, Range, SchemaRules, StopRules, Words

__all__ = ["RULES"]

_NAMES = Words("a-zA-Z0-9_-", 64)

RULES = ApiRules(
    call_ids=Words("!-~", 40),
    tool_names=_NAMES,
    format_names=_NAMES,
    lengths={"user": 64, "safety_identifier": 128, "prompt_cache_key": 64},
    ranges={"max_tokens": Range(least=1)},
    stops=StopRules(most=4),
    schemas=SchemaRules(items=True, all_required=True),
)
