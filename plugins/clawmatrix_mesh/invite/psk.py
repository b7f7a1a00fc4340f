"""The key of an invitation's handshake, which both sides make out of its secret."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["invitation_psk"]

_LABEL = b"clawmatrix invitation v1"


def invitation_psk(secret: bytes) -> bytes:
    """Return the key that an invitation's secret puts into its handshake."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=_LABEL).derive(secret)
