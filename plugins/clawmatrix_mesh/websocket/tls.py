"""The TLS contexts of ``wss``, from files."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from clawmatrix_core import StartError

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_mesh.config import MeshConfig

__all__ = ["client_tls", "server_tls"]


def server_tls(config: MeshConfig) -> ssl.SSLContext | None:
    """Return what ``wss`` is served with, None where it is not. Raises: StartError."""
    if config.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    key = config.tls_key or config.tls_cert
    _require_readable("tls_cert", config.tls_cert)
    _require_readable("tls_key", key)
    try:
        context.load_cert_chain(config.tls_cert, key, password=_no_password)
    except _Encrypted:
        raise StartError(
            f"mesh: tls_key {key} is encrypted: a key without password is needed"
        ) from None
    except (OSError, ValueError) as error:
        raise StartError(
            f"mesh: tls_cert {config.tls_cert} and tls_key {key} cannot be used: {_reason(error)}"
        ) from None
    return context


def client_tls(config: MeshConfig) -> ssl.SSLContext | None:
    """Return what ``wss`` is dialled with, None for the system's trust. Raises: StartError."""
    if config.ca is None:
        return None
    context = ssl.create_default_context()
    _require_readable("ca", config.ca)
    try:
        context.load_verify_locations(config.ca)
    except (OSError, ValueError) as error:
        raise StartError(f"mesh: ca {config.ca} cannot be used: {_reason(error)}") from None
    return context


class _Encrypted(Exception):
    """The key wants a password. OpenSSL would ask at the terminal, with the node held up."""


def _no_password() -> str:
    raise _Encrypted


def _require_readable(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise StartError(f"mesh: {name} {path} cannot be read: {error.strerror}") from None


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error).replace("_", " ").lower()
