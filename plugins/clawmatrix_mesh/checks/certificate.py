"""The check of the dates of the certificate that ``wss`` is served with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio.to_thread
from cryptography.x509 import load_pem_x509_certificates

from clawmatrix_core import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clawmatrix_mesh.config import MeshConfig

__all__ = ["SOON", "certificate_checks", "look_at_dates"]

SOON = timedelta(days=14)
"""How long before its end a certificate is worth a warning."""

_NAME = "mesh.tls"
_RENEW = "renew it; a node that runs serves the new one within a minute"


def certificate_checks(config: MeshConfig) -> list[Check]:
    """Return the check of the dates, where ``wss`` is served."""
    path = config.tls_cert
    if path is None:
        return []

    async def dates() -> Sequence[Finding]:
        return [await anyio.to_thread.run_sync(look_at_dates, path, datetime.now(UTC))]

    return [Check(_NAME, dates)]


def look_at_dates(path: Path, now: datetime) -> Finding:
    """Return whether a certificate holds, and for how long. Blocks."""
    try:
        certificate = load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        return Finding(
            _NAME, "problem", f"{path} cannot be read: {error}", "correct [mesh] tls_cert"
        )
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        detail = f"the certificate in {path} holds only from {begins:%Y-%m-%d %H:%M} UTC"
        return Finding(_NAME, "problem", detail, "is this machine's clock right?")
    if now > ends:
        detail = f"the certificate in {path} has ended on {ends:%Y-%m-%d}: nobody trusts it"
        return Finding(_NAME, "problem", detail, _RENEW)
    detail = f"the certificate in {path} holds until {ends:%Y-%m-%d}"
    return Finding(_NAME, "warning" if ends - now < SOON else "ok", detail, _RENEW)
