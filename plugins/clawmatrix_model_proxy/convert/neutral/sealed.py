"""Thoughts that only their maker reads, on their way through an API that is not the maker's.

A client of one API keeps them for the next turn in the place its API has for such things, with a
mark in front that says whose they are.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["Sealer", "mark", "unmark"]

Sealer = Literal["", "responses", "messages"]
_MARK = "clawmatrix."


def mark(sealed: str, sealed_by: Sealer, place: Sealer) -> str:
    """Return what to put into the place that an API has for sealed thoughts of its own."""
    return sealed if not sealed or sealed_by == place else f"{_MARK}{sealed_by}.{sealed}"


def unmark(kept: str, place: Sealer) -> tuple[str, Sealer]:
    """Return the sealed thoughts that stood in an API's place for them, and who sealed them."""
    for maker in ("responses", "messages"):
        beginning = f"{_MARK}{maker}."
        if kept.startswith(beginning):
            return kept[len(beginning) :], maker
    return kept, place if kept else ""
