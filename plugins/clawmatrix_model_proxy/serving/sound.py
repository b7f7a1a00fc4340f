"""Whether a value that a plugin's codec returned has what its class says, all the way down."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Usage
    from clawmatrix_model_proxy.neutral.failures import ErrorWords

__all__ = ["sound", "sound_count", "sound_words"]

S = TypeVar("S", bound=msgspec.Struct)
COUNT_MOST = 2**53 - 1
"""The largest count that every reader of JSON takes."""

_encode = msgspec.json.Encoder().encode


def sound(value: S) -> S:
    """Return an answer or an event. Raises: TypeError, ValueError, for what cannot be sent.

    Python does not look at the types of the fields, and the writers of the client's API would
    stumble over a wrong one in the middle of an answer.
    """
    usage: Usage | None = getattr(value, "usage", None)
    plain = value
    if usage is not None:
        _check_usage(usage)
        plain = msgspec.structs.replace(value, usage=None)
    sound_count(getattr(value, "created", 0))  # seconds, which are a count as well
    msgspec.json.decode(_encode(plain), type=type(value))
    return value


def _check_usage(usage: Usage) -> None:
    """Check the counts, which JSON cannot tell of: their details have pairs as keys."""
    known = (usage.cached, usage.cache_written, usage.reasoning)
    for count in (usage.input, usage.output, *known, *usage.more.values()):
        if count is not None:
            sound_count(count)
    for group, name in usage.more:
        _encode([group, name])


def sound_count(value: object) -> int:
    """Return a number of tokens. Raises: TypeError, ValueError."""
    if type(value) is not int:
        raise TypeError(f"a count of the type {type(value).__name__} was returned")
    if not 0 <= value <= COUNT_MOST:
        raise ValueError("a count that is no number of tokens was returned")
    return value


def sound_words(words: ErrorWords) -> ErrorWords:
    """Return the words of an error. Raises: TypeError, ValueError, for what is no text."""
    for text in (words.message, words.type, words.code or ""):
        if not isinstance(text, str):
            raise TypeError(f"a word of the type {type(text).__name__} was returned")
        _encode(text)
    return words
