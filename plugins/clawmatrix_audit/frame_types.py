"""The type of frames that open what the plugin answers."""

from __future__ import annotations

from typing import Final

__all__ = ["HEADS"]

HEADS: Final = "audit_heads"
