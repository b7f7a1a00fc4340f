"""The garbage collector of a process that starts: it looks at new objects only.

A process that starts imports hundreds of modules, of which next to nothing becomes garbage. With
the usual settings the collector would go through all of them several times meanwhile, and again
each time that it looks at all objects of a node that serves: some 20 ms in which nothing else runs.
"""

from __future__ import annotations

import gc
import linecache

__all__ = ["HELD_BACK", "forget_sources", "hold_back", "settle"]

HELD_BACK = (5000, 100, 10)
"""The thresholds meanwhile. New objects are looked at, since the making of classes leaves some
garbage behind. Old ones are not during a start; in a command that goes on for long they are."""

_usual = gc.get_threshold()


def hold_back() -> None:
    """Hold the collector back from now on. Only a program that owns its process calls this."""
    gc.set_threshold(*HELD_BACK)


def forget_sources() -> None:
    """Give the memory of cached source lines to what comes next.

    attrs keeps the source of every method that it makes there, and only a traceback reads it. Only
    a program that owns its process calls this.
    """
    linecache.clearcache()


def settle() -> None:
    """Collect as usual again, all but the objects of now; does nothing where nobody held back."""
    if gc.get_threshold() == HELD_BACK:
        gc.freeze()
        gc.set_threshold(*_usual)
