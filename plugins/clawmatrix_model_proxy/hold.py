"""Hold mode: for how long an answer is kept back, so that a cut one can still be replaced."""

from __future__ import annotations

import re

import msgspec

__all__ = ["LIVE", "Hold", "parse_hold"]

SECONDS_MOST = 86_400
"""The longest time that an answer is kept back: a day."""
TOKENS_MOST = 1_000_000

_WORDS = re.compile(r"(?a:(\d{1,9}(?:\.\d{1,9})?)\s*s|(\d{1,9})\s*tokens?)", re.IGNORECASE)


class Hold(msgspec.Struct, frozen=True):
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
        raise ValueError(f'{text[:40]!r} is not one of "off", "whole", "5s" and "200 tokens"')
    hold = Hold(seconds=float(match[1])) if match[1] else Hold(tokens=int(match[2]))
    if hold.seconds > SECONDS_MOST or hold.tokens > TOKENS_MOST:
        raise ValueError(f"at most {SECONDS_MOST} s or {TOKENS_MOST} tokens can be kept back")
    return hold
