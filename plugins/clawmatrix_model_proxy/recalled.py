"""How much is remembered of converted answers, and for how long, unless it is configured."""

from __future__ import annotations

from clawmatrix_core import Bound

__all__ = ["LIFETIME", "RECALLED"]

RECALLED = Bound(
    64 * 1024 * 1024,
    "bytes of converted answers in the Responses API that are remembered with their requests,"
    " unless `remember` says otherwise",
    fed_by="an upstream or a client",
    when_full="the one that was used longest ago is forgotten",
)
LIFETIME = 3600.0
"""Seconds for which an answer is remembered since it was last gone on from."""
