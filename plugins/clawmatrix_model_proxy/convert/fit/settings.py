"""Settings in the lengths and the ranges that an API takes, and without those it refuses together.

What the answer's words depend on and the API does not take is told in ``dropped`` of the request;
a model that is ``strict`` refuses the request instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from clawmatrix_model_proxy.convert.fit.spellings import hashed
from clawmatrix_model_proxy.neutral.settings import leave, place_of

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.request import NeutralRequest
    from clawmatrix_model_proxy.neutral.rules import ApiRules, ThinkingRules

__all__ = ["fitting_settings"]

Settings = dict[str, Any]

_OWN_AFFAIR = frozenset({"max_tokens"})
"""Numbers that are no wish for how an answer is worded."""


def fitting_settings(request: NeutralRequest, rules: ApiRules) -> Settings:
    """Return the settings of a request as the API takes them. Raises: Unsupported, where strict."""
    settings = dict(request.settings)
    for name, most in rules.lengths.items():
        value = settings.get(name)
        if isinstance(value, str) and len(value) > most:
            settings[name] = hashed(value)[:most]
    for name, allowed in rules.ranges.items():
        _within(request, settings, name, allowed)
    if rules.thinking is not None:
        _without_thinking(request, settings, rules.thinking)
        _within_budget(settings, rules.thinking.budget)
    for first, second in rules.together:
        _one_of(request, settings, first, second)
    return settings


def _within(request: NeutralRequest, settings: Settings, name: str, allowed: Any) -> None:
    value = settings.get(name)
    if not _is_number(value) or (nearest := allowed.nearest(value)) == value:
        return
    if name not in _OWN_AFFAIR:
        leave(request, place_of(request, name), f"the upstream takes no more than {nearest}")
    settings[name] = nearest


def _one_of(request: NeutralRequest, settings: Settings, first: str, second: str) -> None:
    """Leave one of two settings out; 1 asks for nothing."""
    if settings.get(first) is None or settings.get(second) is None:
        return
    if settings[second] != 1 and settings[first] == 1:
        first, second = second, first
    if settings[second] != 1:
        why = f"the upstream takes one of it and {place_of(request, first)}"
        leave(request, place_of(request, second), why)
    del settings[second]


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- thinking


def _without_thinking(request: NeutralRequest, settings: Settings, rules: ThinkingRules) -> None:
    if _thinks(settings) and _goes_before(request, settings, rules):
        settings["thinking"] = {"type": "disabled"}


def _thinks(settings: Settings) -> bool:
    thinking = settings.get("thinking")
    if isinstance(thinking, dict):
        return thinking.get("type") != "disabled"
    return settings.get("effort") not in (None, "none")


def _goes_before(request: NeutralRequest, settings: Settings, rules: ThinkingRules) -> bool:
    """Say whether something is asked for that the API refuses together with thinking."""
    choice = request.tool_choice
    if rules.forced_tool and choice is not None and choice.mode in ("required", "named"):
        return True
    if any(settings.get(name) is not None for name in rules.absent):
        return True
    values = ((settings.get(name), allowed) for name, allowed in rules.sampling.items())
    return any(_is_number(v) and allowed.nearest(v) != v for v, allowed in values)


def _within_budget(settings: Settings, least: int) -> None:
    thinking, limit = settings.get("thinking"), settings.get("max_tokens")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if thinking is None or not _is_number(budget):
        return
    if _is_number(limit):
        budget = min(budget, limit - 1)
    settings["thinking"] = {**thinking, "budget_tokens": max(least, budget)}
    if _is_number(limit) and limit <= least:
        settings["max_tokens"] = least + 1
