"""A table whose class nobody imports before it is wanted."""

from __future__ import annotations

import attrs

from clawmatrix_core.config.config import option

__all__ = ["Attic"]


@attrs.frozen
class Attic:
    size: int = option(default=3, doc="How large it is.", reload=True)
    kind: str = option(default="dry", doc="Of what kind it is.")


alias = Attic
