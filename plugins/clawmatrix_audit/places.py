"""Where the audit of a node is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["audit_path"]


def audit_path(state_dir: Path) -> Path:
    """Return the folder of the audit in a state folder."""
    return state_dir / "audit"
