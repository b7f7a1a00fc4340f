"""What every transport has to do: the public name of ``clawmatrix_core.testing.acceptance``."""

from __future__ import annotations

from clawmatrix_core.testing.acceptance import (
    LINK_CHECKS,
    TRANSPORT_CHECKS,
    TransportCase,
    TransportCheck,
)

__all__ = ["LINK_CHECKS", "TRANSPORT_CHECKS", "TransportCase", "TransportCheck"]
