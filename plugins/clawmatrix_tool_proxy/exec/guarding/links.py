"""Symbolic links on the way to a file: whoever replaces one replaces the file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["links_on_the_way"]

_MOST = 40  # as many as the kernel follows


def links_on_the_way(path: str, most: int = _MOST) -> Iterator[str]:
    """Find each symbolic link that an absolute path leads over, itself where it is one.

    A link is given by the real path of its folder, and its name.
    """
    here = "/"
    for name in path.split("/"):
        there = os.path.normpath(os.path.join(here, name))
        if most > 0 and os.path.islink(there):
            yield there
            yield from links_on_the_way(os.path.join(here, os.readlink(there)), most - 1)
            there = os.path.realpath(there)
        here = there
