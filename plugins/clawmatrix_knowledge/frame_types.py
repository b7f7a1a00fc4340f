"""The frame types of the plugin."""

from __future__ import annotations

from typing import Final

__all__ = ["BLOCKS", "FETCH", "FRAME_TYPES", "SYNC"]

SYNC: Final = "know_sync"
"""Two nodes bring their indexes of a workspace to the same versions."""
FETCH: Final = "know_fetch"
"""A node asks for many small contents."""
BLOCKS: Final = "know_blocks"
"""A node asks for the blocks of a large content."""
FRAME_TYPES: Final = (SYNC, FETCH, BLOCKS)
