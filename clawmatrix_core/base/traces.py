"""Reading formatted stacks: whose code was running."""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

__all__ = ["Place", "owner_of", "text_of"]

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line \d+, in (?P<function>\S+)')
_LOOPS = (
    (os.path.join("asyncio", "events.py"), "_run"),
    (os.path.join("asyncio", "runners.py"), "run"),
    (os.path.join("trio", "_core", "_run.py"), "unrolled_run"),
)
"""Where an event loop enters a task: frames outside of these say only who started the loop."""


class Place(msgspec.Struct, frozen=True):
    """Where the code of one owner is.

    Attributes:
        owner: the name of the owner.
        path: the folder of a package, or one file; None where nobody knows.
        kind: the name of the owner's class, which tells owners in one package apart.
    """

    owner: str
    path: str | None
    kind: str

    @classmethod
    def of(cls, owner: str, thing: object) -> Place:
        """Return the place of an object's class, or of a module."""
        name = thing.__name__ if inspect.ismodule(thing) else type(thing).__module__
        module = sys.modules.get(name)
        path = None if module is None else module.__file__
        if module is not None and path is not None and module.__package__:
            path = os.path.dirname(path)
        return cls(owner, path, type(thing).__qualname__)

    def has(self, file: str) -> bool:
        """Say whether a file is there."""
        return self.path is not None and (file == self.path or file.startswith(self.path + os.sep))


def owner_of(stack: str, places: Iterable[Place]) -> str | None:
    """Return whose code is innermost in a stack as ``text_of`` writes it, None for nobody's.

    Where several owners share a package, a frame further out may tell which of them it is.
    """
    places, sharing = list(places), list[Place]()
    for frame in reversed(list(_FRAME.finditer(stack))):
        file, function = str(frame["file"]), str(frame["function"])
        inner = function.rpartition(".")[2]
        if any(file.endswith(loop) and inner == enters for loop, enters in _LOOPS):
            return None
        found = [place for place in sharing or places if place.has(file)]
        if len(found) > 1:
            sharing = found
            found = [place for place in found if function.startswith(f"{place.kind}.")]
        if len(found) == 1:
            return found[0].owner
    return None


def text_of(frame: FrameType | None, depth: int) -> str:
    """Return a stack as text, the innermost frames of it, with the whole names of functions."""
    if frame is None:  # which walk_stack takes for the caller's
        return ""
    lines = [
        traceback.FrameSummary(one.f_code.co_filename, line, one.f_code.co_qualname)
        for one, line in traceback.walk_stack(frame)
    ][:depth]
    return "".join(traceback.StackSummary.from_list(lines[::-1]).format())
