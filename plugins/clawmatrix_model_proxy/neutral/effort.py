"""How much a model is to think, out of the two ways in which requests say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON

__all__ = ["effort_of"]

_HIGH, _MEDIUM = 16_384, 4_096
"""Tokens of a budget of thoughts from which the effort is called so; below them it is low."""


def effort_of(settings: Mapping[str, JSON]) -> str | None:
    """Return the effort, in OpenAI's words, that a request's settings ask for.

    ``thinking`` is heard where no effort is given: ``disabled`` is ``none``, a budget is more or
    less. None leaves it to the model.
    """
    effort = settings.get("effort")
    if effort is not None:
        return str(effort)
    thinking = settings.get("thinking")
    if not isinstance(thinking, dict):
        return None
    if thinking.get("type") == "disabled":
        return "none"
    budget = thinking.get("budget_tokens")
    return _effort(budget) if isinstance(budget, int) else None


def _effort(budget: int) -> str:
    if budget >= _HIGH:
        return "high"
    return "medium" if budget >= _MEDIUM else "low"
