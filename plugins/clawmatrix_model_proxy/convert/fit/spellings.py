"""Names in the letters and the length that an API takes: the same each time, and never two alike.

A name that keeps to the rule is left as it is. Another one becomes its beginning and a hash of it,
so that the next turn of a conversation has the same, and a cache of prompts goes on to fit.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from clawmatrix_model_proxy.neutral.rules import Words

__all__ = ["hashed", "spelled", "spellings"]

_HASH = 10
"""Letters of a hash that stand behind the beginning of a name."""


def hashed(text: str) -> str:
    """Return the hash of a text: 64 letters."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def spelled(name: str, words: Words, taken: Collection[str]) -> str:
    """Return a name in the form an API takes, different from every name in ``taken``."""
    beginning = words.with_other_letters(name)[: words.most - _HASH - 1]
    salt, found = 0, ""
    while not found or found in taken:
        found = f"{beginning}_{hashed(name + ' ' * salt)[:_HASH]}"
        salt += 1
    return found


def spellings(names: Iterable[str], words: Words) -> dict[str, str]:
    """Return those names that an API does not take, each with what stands for it."""
    there = dict.fromkeys(names)
    taken = {name for name in there if words.take(name)}
    found: dict[str, str] = {}
    for name in there:
        if name not in found and not words.take(name):
            found[name] = spelled(name, words, taken)
            taken.add(found[name])
    return found
