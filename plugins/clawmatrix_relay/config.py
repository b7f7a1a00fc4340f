"""The ``[relay]`` table."""

from __future__ import annotations

import attrs

from clawmatrix_core.config import option

__all__ = ["RelayConfig"]


@attrs.frozen
class RelayConfig:
    """What this node does for frames between others."""

    transit: bool = option(
        default=True,
        doc="Whether frames between other nodes may pass through this one.",
    )
