"""What is said of a path that nobody has: which path was meant, as far as that can be told.

Most of these come from a base URL with a part too many or too few: ``/v1`` twice, or not at all, or
a slash at its end. They are not corrected silently: a client with a wrong base URL would work here
and fail elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["LONGEST", "hint", "variants"]

LONGEST = 512
"""Characters of a path from which on nothing is guessed."""
_NAMED = 8
"""Paths that are named at most."""
_DROPPED = 3
"""Parts in front that may be too many."""
_SLASHES = re.compile("/{2,}")


def variants(path: str, heads: Collection[str]) -> Iterator[str]:
    """Yield the paths that may have been meant, the likeliest first.

    Args:
        path: what was asked for.
        heads: first parts of the paths that there are, such as ``v1``.
    """
    if len(path) > LONGEST or not path.startswith("/"):
        return
    seen = {path}
    parts = _SLASHES.sub("/", path).strip("/").split("/")
    for dropped in range(min(_DROPPED, len(parts) - 1) + 1):
        rest = "/".join(parts[dropped:])
        for found in (f"/{rest}", *(f"/{head}/{rest}" for head in heads if head)):
            if found not in seen:
                seen.add(found)
                yield found


def hint(path: str, meant: str | None, there: Collection[str]) -> str:
    """Return what the client is told.

    Args:
        path: what was asked for.
        meant: the path that was meant, None where none is like it.
        there: the paths that there are beside it.
    """
    told = f"there is no {path[:200]}"
    if meant is not None:
        return f"{told}: you may mean {meant} (look at the client's base URL)"
    names = ", ".join(sorted(there)[:_NAMED])
    return f"{told}; there are {names}" if names else told
