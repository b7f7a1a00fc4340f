"""Words that several modules know."""

from __future__ import annotations

import re

__all__ = ["API", "SEALER", "thinks_by_budget"]

API = "google-generative-ai"
"""The name of the API in a configuration, as OpenClaw has it."""

SEALER = "google"
"""The name under which thought signatures travel. It is what Google's own servers of chat
completions put them under, so that what one of them signed is good for the other."""

_EARLY = re.compile(r"(?:models/)?(?:gemini-[12]\b|gemma|learnlm)")


def thinks_by_budget(model: str) -> bool:
    """Say whether a model is of before Gemini 3: it takes a budget of thoughts in place of a level.

    Such a model does not insist on the signatures of its calls either.
    """
    return _EARLY.match(model) is not None
