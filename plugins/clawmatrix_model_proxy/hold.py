"""Hold mode: for how long an answer is kept back, so that a cut one can still be replaced."""

from __future__ import annotations

import re

import attrs

__all__ = ["LIVE", "Hold", "parse_hold"]

_WORDS = re.compile(r"(\d+(?:\.\d+)?)\s*(s|tokens?)", re.IGNORECASE)


@attrs.frozen
class Hold:
    """How much of an answer is kept back before the client gets any.

    Attributes:
        whole: all of it.
        seconds: what comes in this time after the first of it.
        tokens: this many events that carry data; most upstreams send one for each token.
    """

    whole: bool = False
    seconds: float = 0.0
    tokens: int = 0

    @property
    def live(self) -> bool:
        """True where nothing is kept back."""
        return not (self.whole or self.seconds or self.tokens)

    def __str__(self) -> str:
        if self.whole:
            return "whole"
        if self.seconds:
            return f"{self.seconds:g}s"
        return f"{self.tokens} tokens" if self.tokens else "off"


LIVE = Hold()


def parse_hold(text: str) -> Hold:
    """Return what ``off``, ``whole``, ``5s`` or ``200 tokens`` means. Raises: ValueError."""
    word = text.strip().lower()
    if word in ("off", "live"):
        return LIVE
    if word == "whole":
        return Hold(whole=True)
    match = _WORDS.fullmatch(word)
    if match is None:
        raise ValueError(f'{text[:40]!r} is none of "off", "whole", "5s" and "200 tokens"')
    number = float(match[1])
    return Hold(seconds=number) if match[2] == "s" else Hold(tokens=int(number))
