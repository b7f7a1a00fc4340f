"""What an answer took, read wherever a server puts it and under whichever name.

A count that cannot be read is none: nobody loses an answer for its bill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.neutral.answer import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Counts", "count_of", "usages_in"]

_MOST = 2**53
"""From here on a number is no count of tokens."""
_NAMES = {
    "prompt_tokens": "input",
    "input_tokens": "fresh",
    "promptTokens": "input",
    "inputTokens": "input",
    "promptTokenCount": "input",
    "inputTokenCount": "input",
    "prompt_eval_count": "input",
    "prompt_n": "fresh",
    "completion_tokens": "output",
    "output_tokens": "output",
    "completionTokens": "output",
    "outputTokens": "output",
    "candidatesTokenCount": "shown",
    "outputTokenCount": "output",
    "eval_count": "output",
    "predicted_n": "output",
    "total_tokens": "total",
    "totalTokens": "total",
    "totalTokenCount": "total",
    "cached_tokens": "cached",
    "prompt_cache_hit_tokens": "cached",
    "cachedContentTokenCount": "cached",
    "cache_read_input_tokens": "read beside",
    "cacheReadInputTokenCount": "read beside",
    "cache_n": "read beside",
    "cache_creation_input_tokens": "written beside",
    "cacheWriteInputTokenCount": "written beside",
    "reasoning_tokens": "reasoning",
    "thoughtsTokenCount": "thoughts",
}
"""What servers call their counts. ``fresh`` is an input that does not count what the cache had,
where that is told ``beside`` it; ``shown`` is an output without its ``thoughts``."""
_DETAILS = {
    "prompt_tokens_details": "input",
    "input_tokens_details": "input",
    "completion_tokens_details": "output",
    "output_tokens_details": "output",
}
_IN_DETAILS = {
    ("input", "cached_tokens"): "cached",
    ("input", "cache_write_tokens"): "written",
    ("output", "reasoning_tokens"): "reasoning",
    ("output", "thinking_tokens"): "reasoning",
}
_PLACES: tuple[tuple[str, ...], ...] = (
    ("usage",),
    ("x_groq", "usage"),
    ("message", "usage"),
    ("usageMetadata",),
    ("meta", "usage"),
    ("meta", "tokens"),
    ("amazon-bedrock-invocationMetrics",),
)
"""Where in an answer, or in an event of a stream, servers put what it took."""
_IN_CHOICES: tuple[tuple[str, ...], ...] = (("usage",), ("delta", "usage"), ("message", "usage"))
_SPARE_PLACES: tuple[tuple[str, ...], ...] = (("timings",), ())
"""Where it is looked for where it is nowhere else: llama.cpp's times, and the answer itself."""


def count_of(value: object) -> int | None:
    """Return a number of tokens, None where there is none.

    Servers give fractions, since they weigh tokens, and numbers as text; less than nothing is 0.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value < 0:
        return 0
    return round(value) if value < _MOST else None


def usages_in(payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the objects of an answer, or of an event, that may have counts."""
    found = False
    for place in _PLACES:
        if isinstance(usage := _at(payload, place), dict):
            found = True
            yield usage
    choices = payload.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for place in _IN_CHOICES:
        if isinstance(usage := _at(choice, place), dict):
            found = True
            yield usage
    for place in () if found else _SPARE_PLACES:
        if isinstance(usage := _at(payload, place), dict):
            yield usage


def _at(value: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value


class Counts:
    """Gathers what an answer took, out of all that tells of it.

    Counts are totals so far. What a later one leaves out, or gives as nothing, stays as it was.
    """

    def __init__(self) -> None:
        self._found: dict[str, int] = {}
        self._more: dict[tuple[str, str], int] = {}

    def take(self, usage: object) -> None:
        """Note the counts of an object; anything else has none."""
        for name, said in usage.items() if isinstance(usage, dict) else ():
            known, side = _NAMES.get(name), _DETAILS.get(name)
            if known is not None:
                self._note(known, said)
            elif side is not None and isinstance(said, dict):
                self._details(side, said)

    def _details(self, side: str, details: dict[str, Any]) -> None:
        for name, said in details.items():
            known, count = _IN_DETAILS.get((side, name)), count_of(said)
            if known is not None:
                self._note(known, said)
            elif count is not None:
                self._more[side, name] = count

    def _note(self, name: str, said: object) -> None:
        count = count_of(said)
        if count is not None and (count or name not in self._found):
            self._found[name] = count

    @property
    def any(self) -> bool:
        """Whether a count is more than nothing: servers that do not know yet send zeros."""
        return any(self._found.values())

    @property
    def usage(self) -> Usage | None:
        """What was told, None where nothing was."""
        if not self._found:
            return None
        found = self._found
        reasoning = found.get("reasoning", found.get("thoughts"))
        written = found.get("written", found.get("written beside"))
        return Usage(
            self._input(),
            self._output(),
            found.get("cached", found.get("read beside")),
            written,
            reasoning,
            dict(self._more),
        )

    def _input(self) -> int:
        found = self._found
        if "input" in found:
            return found["input"]
        if "fresh" in found:
            return found["fresh"] + found.get("read beside", 0) + found.get("written beside", 0)
        return max(found.get("total", 0) - self._output(), 0) if self._has_output else 0

    def _output(self) -> int:
        found = self._found
        if "output" in found:
            return found["output"]
        if "shown" in found:
            return found["shown"] + found.get("thoughts", 0)
        has_input = "input" in found or "fresh" in found
        return max(found.get("total", 0) - self._input(), 0) if has_input else 0

    @property
    def _has_output(self) -> bool:
        return "output" in self._found or "shown" in self._found
