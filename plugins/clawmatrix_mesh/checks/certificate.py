"""The certificate of ``wss``: served anew when its files are, and looked at for its dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from cryptography.x509 import load_pem_x509_certificates

from clawmatrix_core.base.errors import StartError
from clawmatrix_core.kernel.contributions import Check, Finding
from clawmatrix_mesh.websocket.tls import server_tls

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Sequence
    from pathlib import Path

    from clawmatrix_mesh.config import MeshConfig

__all__ = ["SOON", "Certificate", "certificate_checks", "look_at_dates"]

SOON = timedelta(days=14)
"""How long before its end a certificate is worth a warning."""

_NAME = "mesh.tls"
_RENEW = "renew it; a node that runs serves the new one within a minute"


class Certificate:
    """What a node serves ``wss`` with, kept equal to its files.

    Links that are open go on with what they began with.
    """

    def __init__(self, config: MeshConfig, context: ssl.SSLContext) -> None:
        self._config = config
        self._context = context
        self._files = tuple(path for path in (config.tls_cert, config.tls_key) if path is not None)
        self._stamp = self._look()

    async def run(self, interval: float, log: logging.Logger) -> None:
        """Look at the files every so many seconds, until cancelled."""
        while True:
            await anyio.sleep(interval)
            try:
                if await anyio.to_thread.run_sync(self.renew):
                    log.info("wss is served with the certificate that is in %s now", self._files[0])
            except StartError as error:
                log.warning("%s; the one from before is served", error)

    def renew(self) -> bool:
        """Serve what is in the files, where they have changed; say whether they had. Blocks.

        Raises: StartError, where what is in them cannot be used; the one from before stays.
        """
        stamp = self._look()  # before they are read: what is written meanwhile counts as new
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        server_tls(self._config)  # the whole of it, on the side
        try:
            self._context.load_cert_chain(self._files[0], self._files[-1])
        except OSError as error:  # written once more since then
            raise StartError(f"mesh: {self._files[0]} changes as it is read: {error}") from None
        return True

    def _look(self) -> tuple[object, ...]:
        """Return what changes when the files do."""
        stamps: list[object] = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(stamps)


def certificate_checks(config: MeshConfig) -> list[Check]:
    """Return the checks of the dates of what ``wss`` is served with."""
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
