"""What other plugins use of the grants."""

from __future__ import annotations

from clawmatrix_grants.programs import DEFAULT_PATH, resolve_program
from clawmatrix_grants.question import Question

__all__ = ["DEFAULT_PATH", "Question", "resolve_program"]
