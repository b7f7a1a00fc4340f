"""What is mounted where, as the kernel tells it (Linux)."""

from __future__ import annotations

import contextlib
import re

__all__ = ["mounted_below"]

_MOUNTS = "/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def mounted_below(place: str, mounts: str = _MOUNTS) -> list[str]:
    """Return the files and folders below a folder that something is mounted on.

    It is empty on a system without such a table.

    Args:
        place: the folder, without symbolic links.
        mounts: the table.
    """
    above = place.rstrip("/") + "/"
    found: list[str] = []
    with contextlib.suppress(FileNotFoundError), open(mounts, "rb") as lines:
        for line in lines:
            escaped = line.split(b" ", 5)[4]
            path = _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), escaped)
            text = path.decode(errors="surrogateescape")
            if text.startswith(above):
                found.append(text)
    return found
