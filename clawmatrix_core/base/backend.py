"""Which event loop runs the present task."""

from __future__ import annotations

import sys

__all__ = ["on_trio"]


def on_trio() -> bool:
    """Say whether the present task is one of trio's. trio itself is not imported."""
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_task()
