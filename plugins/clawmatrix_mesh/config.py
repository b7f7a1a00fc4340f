"""The ``[mesh]`` table."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read from the annotation

import attrs

from clawmatrix_core.config import Duration, HostPort, option
from clawmatrix_mesh.addresses import check_address

__all__ = ["MeshConfig"]


_SHORTEST_HEARTBEAT = 0.01


def _is_address(_: object, __: object, value: str | None) -> None:
    if value is not None:
        check_address(value)


def _are_addresses(_: object, __: object, value: tuple[str, ...]) -> None:
    for address in value:
        check_address(address)


def _is_long_enough(_: object, __: object, value: Duration) -> None:
    if value < _SHORTEST_HEARTBEAT:
        raise ValueError("must be at least 10ms")


@attrs.frozen
class MeshConfig:
    """How this node links to others."""

    listen: HostPort | None = option(
        default=None,
        doc="Where other nodes can dial this one. Left out: it only dials.",
    )
    listen_url: str | None = option(
        default=None,
        doc="The same for a transport of another plugin, as a whole address: `memory://name`.",
        validator=_is_address,
    )
    advertise: tuple[str, ...] = option(
        default=(),
        doc="Addresses at which others reach this node, put into its record.",
        validator=_are_addresses,
    )
    peers: tuple[str, ...] = option(
        default=(),
        doc="Addresses to keep links to, for instance `wss://relay.example:19000`.",
        validator=_are_addresses,
    )
    tls_cert: Path | None = option(
        default=None, doc="A certificate chain in PEM; with `tls_key`, the node serves `wss`."
    )
    tls_key: Path | None = option(default=None, doc="The key of `tls_cert`, in PEM.")
    ca: Path | None = option(
        default=None, doc="Certificates to trust for `wss` beside the system's, in PEM."
    )
    proxy: str | None = option(
        default=None,
        doc="An HTTP or SOCKS proxy to dial through. Environment variables are not read.",
    )
    heartbeat: Duration = option(
        default=Duration(5.0),
        doc="How often each link is asked for a sign of life. Two missed close it.",
        validator=_is_long_enough,
    )
