"""Names that a node knows before it has a workspace."""

from __future__ import annotations

from typing import Final

__all__ = ["MARKS", "STOPS", "TABLE"]

TABLE: Final = "knowledge"
"""The table of the configuration, and the section of the status."""
MARKS: Final = "knowledge"
"""The state file with the marks that tell a workspace from its copies."""
STOPS: Final = "knowledge-stops"
"""The state file with the peers whose share a refused message stopped."""
