"""What Gemini's API refuses, as data."""

from __future__ import annotations

from clawmatrix_model_proxy.api import ApiRules, Range, StopRules, Words

__all__ = ["RULES", "budget_range"]

RULES = ApiRules(
    tool_names=Words("a-zA-Z0-9_.:-", 64, first="a-zA-Z_"),
    ranges={"max_tokens": Range(least=1), "temperature": Range(0, 2)},
    stops=StopRules(most=5),
)

BUDGETS = (("-pro", Range(128, 32_768)), ("", Range(0, 24_576)))
"""Tokens of thoughts that models of before Gemini 3 take, by a part of their names."""


def budget_range(model: str) -> Range:
    """Return the tokens of thoughts that a model takes."""
    return next(allowed for part, allowed in BUDGETS if part in model)
