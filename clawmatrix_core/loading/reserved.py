"""Types of frames that the core keeps for itself."""

from __future__ import annotations

from clawmatrix_core.exchange.exchanges import EXCHANGE_TYPES
from clawmatrix_core.sessions.sessions import OPENING_TYPES, PROOF_TYPE

__all__ = ["wrong_frame_types"]

_RESERVED = EXCHANGE_TYPES | OPENING_TYPES | {PROOF_TYPE}
_PREFIX = "session_"
"""How the types begin that a later version may need for sessions."""


def wrong_frame_types(function: object) -> str:
    """Return the types that ``@frame_types`` names and no plugin gets; empty for none."""
    wanted = getattr(function, "clawmatrix_frame_types", ())
    return ", ".join(sorted(repr(one) for one in wanted if not _is_free(one)))


def _is_free(type_: object) -> bool:
    if not isinstance(type_, str) or not type_:
        return False
    return type_ not in _RESERVED and not type_.startswith(_PREFIX)
