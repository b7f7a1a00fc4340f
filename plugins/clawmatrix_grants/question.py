"""The question that is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, Action

__all__ = ["Question"]


@attrs.frozen
class Question:
    """Whether a peer may do something."""

    peer: str
    key: str | None
    action: Action
    target: str
    arguments: Mapping[str, JSON] | None
