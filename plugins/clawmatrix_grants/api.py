"""What other plugins use of the grants."""

from __future__ import annotations

from clawmatrix_grants.programs import DEFAULT_PATH, resolve_program
from clawmatrix_grants.question import Question
from clawmatrix_grants.tool_shapes import ToolShape

__all__ = ["DEFAULT_PATH", "Question", "ToolShape", "resolve_program"]
