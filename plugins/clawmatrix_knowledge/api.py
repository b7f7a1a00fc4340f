"""What other plugins may import of this one."""

from __future__ import annotations

from clawmatrix_knowledge.versions import Version

__all__ = ["Version"]
