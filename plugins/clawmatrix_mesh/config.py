"""The ``[mesh]`` table."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read from the annotation

import attrs

from clawmatrix_core import ByteSize, Duration, HostPort, NamedKeys, Proxies, SecretFile, option
from clawmatrix_mesh.addresses import check_address

__all__ = ["TEMPLATE", "USUAL_HEARTBEAT", "ListenAddress", "MeshConfig", "listen_addresses"]

TEMPLATE = """\
[mesh]
# Where other nodes can connect to; leave it out on a node that only connects to others.
# listen = "*:19000"
# The same over the transport of another plugin, which has to be named in plugins.
# listen_url = "tcp://0.0.0.0:19005"
# Nodes to connect to. One is enough: the others are learned from it.
# peers = ["wss://relay.example:19000"]

# The table [mesh.revokers] has the nodes that can put another one out of the mesh, each with its
# key: `clawmatrix fingerprint --key` there prints the line.
"""
"""What ``clawmatrix init`` writes of the table."""

_SHORTEST_HEARTBEAT = 0.01
USUAL_HEARTBEAT = 5.0
"""Seconds; times of exchanges fit it, and grow with one that is longer."""


class ListenAddress(HostPort):
    """Where to listen for WebSocket connections. The host ``*`` means all addresses."""

    everywhere = "*"

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """See HostPort. A whole address has a key of its own."""
        scheme, separator, _ = text.partition("://")
        if separator:
            raise ValueError(f'write it without "{scheme}://"; whole addresses go into listen_url')
        return super().parse(text)


@attrs.frozen
class IntroducerKeys(NamedKeys):
    """Introducers with their keys."""

    config_table = "mesh.introducers"


def _is_address(_: object, __: object, value: str | None) -> None:
    if value is not None:
        check_address(value)


def _are_addresses(_: object, __: object, value: tuple[str, ...] | None) -> None:
    for address in value or ():
        check_address(address)


def _are_networks(_: object, __: object, value: tuple[str, ...]) -> None:
    Proxies(value)


def _is_long_enough(_: object, __: object, value: Duration) -> None:
    if value < _SHORTEST_HEARTBEAT:
        raise ValueError("must be at least 10ms")


@attrs.frozen
class MeshConfig:
    """How this node links to others."""

    listen: ListenAddress | None = option(
        default=None,
        doc="Where other nodes can dial this one; the host `*` stands for all addresses of the"
        " machine, of IPv4 and IPv6. Left out: it only dials.",
    )
    listen_url: str | None = option(
        default=None,
        doc="Where nodes can dial this one over the transport of another plugin, as a whole"
        " address: `tcp://0.0.0.0:19005`. With `listen` as well, the node listens at both.",
        validator=_is_address,
    )
    advertise: tuple[str, ...] | None = option(
        default=None,
        shown="for `ws`, addresses of this machine that the node listens at",
        doc="Addresses at which others reach this node, put into its record; `[]` for none.",
        validator=_are_addresses,
        reload=True,
    )
    peers: tuple[str, ...] = option(
        default=(),
        doc="Addresses to keep links to, for instance `wss://relay.example:19000`.",
        validator=_are_addresses,
        reload=True,
    )
    tls_cert: SecretFile | None = option(
        default=None, doc="A certificate chain in PEM; with `tls_key`, the node serves `wss`."
    )
    tls_key: SecretFile | None = option(default=None, doc="The key of `tls_cert`, in PEM.")
    ca: Path | None = option(
        default=None, doc="Certificates to trust for `wss` beside the system's, in PEM."
    )
    proxy: str | None = option(
        default=None,
        doc="An HTTP or SOCKS proxy to dial through. Environment variables are not read.",
    )
    proxies: tuple[str, ...] = option(
        default=(),
        doc="Networks of the reverse proxies in front of this node, for instance"
        ' `["127.0.0.1/32"]`. What they say of where a connection comes from is believed'
        " (`X-Forwarded-For`, `Forwarded`); nobody else is.",
        validator=_are_networks,
        reload=True,
    )
    revokers: NamedKeys = option(
        factory=NamedKeys,
        shown="nobody",
        doc="The nodes whose revocations are in force here at once, each with its key. Those by"
        " others wait for `clawmatrix revocations accept`.",
        reload=True,
    )
    introducers: IntroducerKeys = option(
        factory=IntroducerKeys,
        shown="nobody",
        doc="The nodes whose word counts here on which key is whose, each with its own key, which"
        " this node must know as accepted or invited.",
        reload=True,
    )
    direct: bool = option(
        default=True,
        doc="Whether a node that is talked to through a relay, and advertises an address, is"
        " dialled for a link of its own, at most once in a minute.",
    )
    dial: tuple[str, ...] = option(
        default=(),
        shown="public addresses, and private ones of this node's own networks",
        doc="Networks in which addresses that other nodes advertise are dialled as well, for"
        ' instance `["10.8.0.0/16"]`. Addresses in `peers` are dialled wherever they are.',
        validator=_are_networks,
        reload=True,
    )
    link_frames: int = option(
        default=400_000,
        doc="Frames in a second that are read from one link; what is above waits.",
        validator=attrs.validators.ge(1),
        reload=True,
    )
    link_bytes: ByteSize = option(
        default=ByteSize(8 * 1024**3),
        doc="Bytes in a second that are read from one link.",
        validator=attrs.validators.ge(1),
        reload=True,
    )
    heartbeat: Duration = option(
        default=Duration(USUAL_HEARTBEAT),
        doc="How often each link is asked for a sign of life. Two missed close it."
        " All nodes of a mesh should have the same.",
        validator=_is_long_enough,
    )


def listen_addresses(config: MeshConfig) -> dict[str, str]:
    """Return the whole addresses to listen at, each with the key that it stands in."""
    addresses = {config.listen_url: "listen_url"} if config.listen_url else {}
    if config.listen is not None:
        scheme = "wss" if config.tls_cert else "ws"
        addresses[f"{scheme}://{config.listen}"] = "listen"
    return addresses
