"""ClawMatrix: one mesh for AI-agent gateways.

These names are what hosts and plugins build on; each is imported when it is first used.
Everything else in this package may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clawmatrix_core.base.answers import Answer
    from clawmatrix_core.base.bounds import Bound
    from clawmatrix_core.base.clock import Clock
    from clawmatrix_core.base.dispatch import dispatch
    from clawmatrix_core.base.errors import (
        AuditFailed,
        ClawMatrixError,
        ConfigError,
        ConnectionLost,
        DeadlineExceeded,
        DemandFailed,
        DialError,
        ExchangeCancelled,
        ExchangeError,
        ExchangeFailure,
        LocalProtocolError,
        NewerStateError,
        PeerLost,
        PluginError,
        RemoteProtocolError,
        Revoked,
        StartError,
        StateError,
        Undeliverable,
        WrongShape,
    )
    from clawmatrix_core.base.forwarded import Proxies
    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.base.log import RateLimitedLogger
    from clawmatrix_core.base.metric import Distribution, Metric, Sample
    from clawmatrix_core.base.node_id import NodeId, is_node_id
    from clawmatrix_core.base.redaction import redact, register_secret, shown_address
    from clawmatrix_core.base.times import ago
    from clawmatrix_core.config.changes import Changes
    from clawmatrix_core.config.config import (
        Beside,
        ByteSize,
        Config,
        ConfigSection,
        Duration,
        HostPort,
        Secret,
        option,
    )
    from clawmatrix_core.config.messages import TableMistakes
    from clawmatrix_core.config.types import SecretFile
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.exchange.typed import TypedExchange
    from clawmatrix_core.hookspecs import hookimpl, hookspec
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.loading.contributions import (
        Check,
        ControlMethod,
        Finding,
        Offer,
        StatusSection,
        frame_types,
    )
    from clawmatrix_core.loading.plugin_info import PluginInfo
    from clawmatrix_core.members.directory import NodeRecord, Peer
    from clawmatrix_core.members.identity import key_text, read_key_text
    from clawmatrix_core.members.named_keys import NamedKeys
    from clawmatrix_core.members.pins import Known
    from clawmatrix_core.policy.record import AuditRecord, Receipt
    from clawmatrix_core.policy.standing import Standing
    from clawmatrix_core.policy.verdict import LOCAL, NOT_ALLOWED, Action, Verdict
    from clawmatrix_core.state.files import StateFile
    from clawmatrix_core.state.folder import MemoryState, State, StateFolder
    from clawmatrix_core.state.writer import StateWriter
    from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
    from clawmatrix_core.wire.codec import Header, Lane
    from clawmatrix_core.wire.frames import Frame, Transit
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.routes import PathStatus, Route
    from clawmatrix_core.wire.sockets.connection import SocketConnection
    from clawmatrix_core.wire.sockets.listener import SocketListener
    from clawmatrix_core.wire.transport import Connection, Listener, Objection, Transport

    __version__: str

__all__ = [
    "JSON",
    "LOCAL",
    "NOT_ALLOWED",
    "Action",
    "Answer",
    "AuditFailed",
    "AuditRecord",
    "Beside",
    "Bound",
    "ByteSize",
    "Changes",
    "Check",
    "ClawMatrixError",
    "Clock",
    "Config",
    "ConfigError",
    "ConfigSection",
    "Connection",
    "ConnectionLost",
    "ControlMethod",
    "DeadlineExceeded",
    "DemandFailed",
    "DialError",
    "Distribution",
    "Duration",
    "Exchange",
    "ExchangeCancelled",
    "ExchangeError",
    "ExchangeFailure",
    "ExchangeLimits",
    "Finding",
    "Frame",
    "Header",
    "HostPort",
    "Known",
    "Lane",
    "Link",
    "Listener",
    "LocalProtocolError",
    "MemoryHub",
    "MemoryState",
    "MemoryTransport",
    "Metric",
    "NamedKeys",
    "NewerStateError",
    "Node",
    "NodeId",
    "NodeRecord",
    "Objection",
    "Offer",
    "PathStatus",
    "Peer",
    "PeerLost",
    "PluginError",
    "PluginInfo",
    "PluginScope",
    "Proxies",
    "RateLimitedLogger",
    "Receipt",
    "RemoteProtocolError",
    "Revoked",
    "Route",
    "Sample",
    "Secret",
    "SecretFile",
    "SocketConnection",
    "SocketListener",
    "Standing",
    "StartError",
    "State",
    "StateError",
    "StateFile",
    "StateFolder",
    "StateWriter",
    "StatusSection",
    "TableMistakes",
    "Transit",
    "Transport",
    "TypedExchange",
    "Undeliverable",
    "Verdict",
    "WrongShape",
    "__version__",
    "ago",
    "dispatch",
    "frame_types",
    "hookimpl",
    "hookspec",
    "is_node_id",
    "key_text",
    "option",
    "read_key_text",
    "redact",
    "register_secret",
    "shown_address",
]

_HOMES = {
    "base.forwarded": ("Proxies",),
    "base.times": ("ago",),
    "base.answers": ("Answer",),
    "base.bounds": ("Bound",),
    "base.dispatch": ("dispatch",),
    "base.clock": ("Clock",),
    "config.config": (
        "Beside",
        "ByteSize",
        "Config",
        "ConfigSection",
        "Duration",
        "HostPort",
        "Secret",
        "option",
    ),
    "config.changes": ("Changes",),
    "config.messages": ("TableMistakes",),
    "config.types": ("SecretFile",),
    "members.directory": ("NodeRecord", "Peer"),
    "members.pins": ("Known",),
    "members.identity": ("key_text", "read_key_text"),
    "members.named_keys": ("NamedKeys",),
    "policy.record": ("AuditRecord", "Receipt"),
    "policy.standing": ("Standing",),
    "policy.verdict": ("LOCAL", "NOT_ALLOWED", "Action", "Verdict"),
    "base.errors": (
        "AuditFailed",
        "ClawMatrixError",
        "ConfigError",
        "ConnectionLost",
        "DeadlineExceeded",
        "DemandFailed",
        "DialError",
        "ExchangeCancelled",
        "ExchangeError",
        "ExchangeFailure",
        "LocalProtocolError",
        "NewerStateError",
        "PeerLost",
        "PluginError",
        "RemoteProtocolError",
        "Revoked",
        "StartError",
        "StateError",
        "Undeliverable",
        "WrongShape",
    ),
    "exchange.exchange": ("Exchange",),
    "exchange.limits": ("ExchangeLimits",),
    "exchange.typed": ("TypedExchange",),
    "base.metric": ("Distribution", "Metric", "Sample"),
    "base.json_value": ("JSON",),
    "base.log": ("RateLimitedLogger",),
    "base.node_id": ("NodeId", "is_node_id"),
    "base.redaction": ("redact", "register_secret", "shown_address"),
    "wire.codec": ("Header", "Lane"),
    "wire.frames": ("Frame", "Transit"),
    "hookspecs": ("hookimpl", "hookspec"),
    "wire.link": ("Link",),
    "loading.plugin_info": ("PluginInfo",),
    "testing.memory": ("MemoryHub", "MemoryTransport"),
    "kernel.node": ("Node",),
    "loading.contributions": (
        "Check",
        "ControlMethod",
        "Finding",
        "Offer",
        "StatusSection",
        "frame_types",
    ),
    "wire.routes": ("PathStatus", "Route"),
    "kernel.scope": ("PluginScope",),
    "state.folder": ("MemoryState", "State", "StateFolder"),
    "state.files": ("StateFile",),
    "state.writer": ("StateWriter",),
    "wire.sockets.connection": ("SocketConnection",),
    "wire.sockets.listener": ("SocketListener",),
    "wire.transport": ("Connection", "Listener", "Objection", "Transport"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from clawmatrix_core.base.distributions import own_version

        value: Any = own_version()
    elif name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
