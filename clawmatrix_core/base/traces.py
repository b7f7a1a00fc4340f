"""Reading formatted stacks: whose code was running."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["owner_of", "place_of"]

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line \d+, in (?P<function>\S+)')
_LOOPS = (
    (os.path.join("asyncio", "events.py"), "_run"),
    (os.path.join("asyncio", "runners.py"), "run"),
    (os.path.join("trio", "_core", "_run.py"), "unrolled_run"),
)
"""Where an event loop enters a task: frames outside of these say only who started the loop."""


def owner_of(stack: str, places: Iterable[tuple[str, str | None]]) -> str | None:
    """Return whose code is innermost in a formatted stack, None for nobody's.

    ``places`` are names with the folder or the file of their code.
    """
    owned = [(name, place) for name, place in places if place is not None]
    for frame in reversed(list(_FRAME.finditer(stack))):
        file, function = str(frame["file"]), str(frame["function"])
        if any(file.endswith(loop) and function == inner for loop, inner in _LOOPS):
            return None
        for name, place in owned:
            if file == place or file.startswith(place + os.sep):
                return name
    return None


def place_of(thing: object) -> str | None:
    """Return the folder of the package that an object's class comes from, or its one file."""
    module = sys.modules.get(type(thing).__module__)
    file = None if module is None else module.__file__
    if module is None or file is None:
        return None
    return os.path.dirname(file) if module.__package__ else file
