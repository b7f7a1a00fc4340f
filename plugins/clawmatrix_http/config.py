"""The ``[http]`` table of the configuration."""

from __future__ import annotations

import re

import attrs

from clawmatrix_core import ByteSize, Duration, HostPort, Proxies, Secret, option

__all__ = ["DRAIN_LIMIT", "TOKEN_LENGTH", "HttpConfig"]

TOKEN_LENGTH = 16
"""Characters a token has at least."""
DRAIN_LIMIT = 8.0
"""Seconds; a node gives each plugin ten to get ready for its stop."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[^\s/:@]+|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^\s/@]+")


def _is_token(_: object, __: object, value: Secret | None) -> None:
    if value is None:
        return
    if len(value) < TOKEN_LENGTH:
        raise ValueError(f"must have at least {TOKEN_LENGTH} characters, it has {len(value)}")
    if _TOKEN.fullmatch(value.reveal()) is None:
        raise ValueError("must be letters, digits and signs of ASCII, without spaces")


def _are_hosts(_: object, __: object, value: tuple[str, ...]) -> None:
    for host in value:
        if _HOST.fullmatch(host) is None:
            raise ValueError(f'"{host}" is not a host name; leave out scheme and port')


def _are_origins(_: object, __: object, value: tuple[str, ...]) -> None:
    for origin in value:
        if _ORIGIN.fullmatch(origin) is None:
            raise ValueError(f'"{origin}" is not an origin like "https://app.example"')


def _are_networks(_: object, __: object, value: tuple[str, ...]) -> None:
    Proxies(value)


def _is_short(_: object, __: object, value: Duration) -> None:
    if value > DRAIN_LIMIT:
        raise ValueError(f"must be at most {DRAIN_LIMIT:g} s")


@attrs.frozen
class HttpConfig:
    """What the local HTTP server is told."""

    listen: HostPort = option(
        default=HostPort("127.0.0.1", 19100),
        doc="The address of the local API. Port 0 takes any free one.",
    )
    token: Secret | None = option(
        default=None,
        shown="made on first start",
        doc="What programs must show to use the API; `clawmatrix env` prints it.",
        validator=_is_token,
        reload=True,
    )
    allowed_hosts: tuple[str, ...] = option(
        default=(),
        doc="More names the API may be called by, beside localhost and the bound address.",
        validator=_are_hosts,
        reload=True,
    )
    allowed_origins: tuple[str, ...] = option(
        default=(),
        doc='Web pages that may use the API, by origin: "https://app.example".',
        validator=_are_origins,
        reload=True,
    )
    proxies: tuple[str, ...] = option(
        default=(),
        doc="Networks of the reverse proxies in front of the API, for instance"
        ' `["127.0.0.1/32"]`. What they say of where a request comes from is believed, and is in'
        " the log.",
        validator=_are_networks,
        reload=True,
    )
    max_body: ByteSize = option(
        default=ByteSize(32 * 1024 * 1024),
        doc="The largest body a request may have.",
        reload=True,
    )
    max_bodies: ByteSize = option(
        default=ByteSize(256 * 1024 * 1024),
        doc="What the bodies of all requests may have together, at least twice `max_body`. Beyond"
        " it a body that has brought nothing for long is given up for others.",
        reload=True,
    )
    drain: Duration = option(
        default=Duration(5),
        doc="How long answers that are under way get when the node stops; at most 8 s.",
        validator=_is_short,
        reload=True,
    )
