"""The certificate of ``wss``, served anew when its files change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from clawmatrix_core import StartError
from clawmatrix_mesh.websocket.tls import server_tls

if TYPE_CHECKING:
    import logging
    import ssl

    from clawmatrix_mesh.config import MeshConfig

__all__ = ["ServedCertificate"]


class ServedCertificate:
    """The certificate that ``wss`` is served with, kept equal to its files.

    Links that are open keep the certificate that they began with.
    """

    def __init__(self, config: MeshConfig, context: ssl.SSLContext) -> None:
        self._config = config
        self._context = context
        self._files = tuple(path for path in (config.tls_cert, config.tls_key) if path is not None)
        self._stamp = self._look()

    async def run(self, interval: float, log: logging.Logger) -> None:
        """Look at the files each ``interval`` seconds, until cancelled."""
        while True:
            await anyio.sleep(interval)
            try:
                if await anyio.to_thread.run_sync(self.renew):
                    log.info("wss is served with the certificate that is in %s now", self._files[0])
            except StartError as error:
                log.warning("%s; the one from before is served", error)

    def renew(self) -> bool:
        """Serve what is in the files, and say whether they had changed. Blocks.

        Raises: StartError, where the files cannot be used; the old certificate stays.
        """
        stamp = self._look()  # before the files are read: a later write counts as a change
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        server_tls(self._config)  # a trial, in a context of its own
        try:
            self._context.load_cert_chain(self._files[0], self._files[-1])
        except OSError as error:  # they were written again after the trial
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
