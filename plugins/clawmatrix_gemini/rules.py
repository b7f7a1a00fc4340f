"""What Gemini's API refuses, as data."""

from __future__ import annotations

from clawmatrix_model_proxy.api import ApiRules, Range, StopRules, Words

__all__ = ["RULES"]

RULES = ApiRules(
    tool_names=Words("a-zA-Z0-9_.:-", 64, first="a-zA-Z_"),
    ranges={"max_tokens": Range(least=1), "temperature": Range(0, 2)},
    stops=StopRules(most=5),
)
