"""Why an answer ended, for words that no table has: the nearest of the ends that are known.

Servers invent words, and APIs get new ones. The answer before them is whole, so it is never thrown
away for them, unless the word says that the server failed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.streams.stages import is_broken_off

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_model_proxy.neutral.answer import FinishReason

__all__ = ["end_of"]

_NEAREST: tuple[tuple[re.Pattern[str], FinishReason], ...] = (
    (re.compile(r"refus"), "refusal"),
    (
        re.compile(
            r"filter|safety|sensitiv|moderat|prohibit|block|guardrail|toxic|policy|recitation|spii"
        ),
        "content_filter",
    ),
    (re.compile(r"length|limit|context|truncat|budget|incomplete|max.*token"), "length"),
    (re.compile(r"pause|compact"), "pause"),
    (re.compile(r"tool|function|call"), "tool_calls"),
)
"""Parts of words, and the end that they are nearest to. The first that is in a word counts."""


def end_of(word: object, known: Mapping[str, FinishReason]) -> FinishReason | None:
    """Return the end that a server's word for it amounts to; None where it says a failure.

    Args:
        word: what the server says, in whatever case; what is no text is an end like any other.
        known: the words of the API, and what they mean.
    """
    if not isinstance(word, str):
        return "stop"
    if (found := known.get(word)) is not None:
        return found
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    if (found := known.get(plain)) is not None:
        return found
    if is_broken_off(plain):
        return None
    return next((end for part, end in _NEAREST if part.search(plain)), "stop")
