"""What lower plugins need beyond the public names: the mesh, relays, a control socket, an engine.

Each name is imported when it is first used. ``docs/spi.md`` has them with their users, and what
may be reached through a node. They change more readily than the public names of
``clawmatrix_core``; the changelog names each change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.lazy import lazy_names

if TYPE_CHECKING:
    from clawmatrix_core.base.bell import Bell
    from clawmatrix_core.base.byte_budget import ByteBudget
    from clawmatrix_core.base.cancellation import stray
    from clawmatrix_core.base.errors import HandshakeError
    from clawmatrix_core.base.held_sockets import HeldServer
    from clawmatrix_core.base.lookups import TcpAddress
    from clawmatrix_core.base.paths import default_state_dir
    from clawmatrix_core.base.places import Places
    from clawmatrix_core.base.serving import serves_input
    from clawmatrix_core.base.tcp import TcpDialler
    from clawmatrix_core.cli.new_config import NewConfig
    from clawmatrix_core.config.core import SECRET_LENGTH
    from clawmatrix_core.control.address import SocketPlace
    from clawmatrix_core.control.protocol import (
        ControlRequest,
        answer_line,
    )
    from clawmatrix_core.doctor.own_checks import examine
    from clawmatrix_core.loading.contributions import OFFER_KINDS
    from clawmatrix_core.members.directory import Accepted
    from clawmatrix_core.members.identity import Identity, load_identity
    from clawmatrix_core.members.record import SignedRecord
    from clawmatrix_core.members.revocation import SignedRevocation
    from clawmatrix_core.members.succession import load_succession
    from clawmatrix_core.members.trust import Conflict, TrustStore
    from clawmatrix_core.sessions.keyring import Keyring
    from clawmatrix_core.sessions.noise import XXPSK3, Handshake
    from clawmatrix_core.sessions.session import Session
    from clawmatrix_core.sessions.sessions import OPENING_TYPES
    from clawmatrix_core.state.epoch import raise_epoch
    from clawmatrix_core.state.folder import StateView
    from clawmatrix_core.wire.close_codes import CloseCode
    from clawmatrix_core.wire.codec import MESSAGE_LIMIT, TTL_START, read_frame, with_ttl
    from clawmatrix_core.wire.fair import Flow
    from clawmatrix_core.wire.rate import Rate
    from clawmatrix_core.wire.routes import Routes

__all__ = [
    "MESSAGE_LIMIT",
    "OFFER_KINDS",
    "OPENING_TYPES",
    "SECRET_LENGTH",
    "TTL_START",
    "XXPSK3",
    "Accepted",
    "Bell",
    "ByteBudget",
    "CloseCode",
    "Conflict",
    "ControlRequest",
    "Flow",
    "Handshake",
    "HandshakeError",
    "HeldServer",
    "Identity",
    "Keyring",
    "NewConfig",
    "Places",
    "Rate",
    "Routes",
    "Session",
    "SignedRecord",
    "SignedRevocation",
    "SocketPlace",
    "StateView",
    "TcpAddress",
    "TcpDialler",
    "TrustStore",
    "answer_line",
    "default_state_dir",
    "examine",
    "load_identity",
    "load_succession",
    "raise_epoch",
    "read_frame",
    "serves_input",
    "stray",
    "with_ttl",
]

_HOMES = {
    "clawmatrix_core.base.bell": ("Bell",),
    "clawmatrix_core.base.byte_budget": ("ByteBudget",),
    "clawmatrix_core.base.cancellation": ("stray",),
    "clawmatrix_core.base.errors": ("HandshakeError",),
    "clawmatrix_core.base.held_sockets": ("HeldServer",),
    "clawmatrix_core.base.lookups": ("TcpAddress",),
    "clawmatrix_core.base.paths": ("default_state_dir",),
    "clawmatrix_core.base.places": ("Places",),
    "clawmatrix_core.base.serving": ("serves_input",),
    "clawmatrix_core.base.tcp": ("TcpDialler",),
    "clawmatrix_core.cli.new_config": ("NewConfig",),
    "clawmatrix_core.config.core": ("SECRET_LENGTH",),
    "clawmatrix_core.control.address": ("SocketPlace",),
    "clawmatrix_core.control.protocol": (
        "ControlRequest",
        "answer_line",
    ),
    "clawmatrix_core.doctor.own_checks": ("examine",),
    "clawmatrix_core.loading.contributions": ("OFFER_KINDS",),
    "clawmatrix_core.members.directory": ("Accepted",),
    "clawmatrix_core.members.identity": (
        "Identity",
        "load_identity",
    ),
    "clawmatrix_core.members.record": ("SignedRecord",),
    "clawmatrix_core.members.revocation": ("SignedRevocation",),
    "clawmatrix_core.members.succession": ("load_succession",),
    "clawmatrix_core.members.trust": (
        "Conflict",
        "TrustStore",
    ),
    "clawmatrix_core.sessions.keyring": ("Keyring",),
    "clawmatrix_core.sessions.noise": (
        "XXPSK3",
        "Handshake",
    ),
    "clawmatrix_core.sessions.session": ("Session",),
    "clawmatrix_core.sessions.sessions": ("OPENING_TYPES",),
    "clawmatrix_core.state.epoch": ("raise_epoch",),
    "clawmatrix_core.state.folder": ("StateView",),
    "clawmatrix_core.wire.close_codes": ("CloseCode",),
    "clawmatrix_core.wire.codec": (
        "MESSAGE_LIMIT",
        "TTL_START",
        "read_frame",
        "with_ttl",
    ),
    "clawmatrix_core.wire.fair": ("Flow",),
    "clawmatrix_core.wire.rate": ("Rate",),
    "clawmatrix_core.wire.routes": ("Routes",),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
