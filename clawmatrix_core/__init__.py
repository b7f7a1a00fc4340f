"""ClawMatrix: one mesh for AI-agent gateways.

These names are what hosts and plugins build on; each is imported when it is first used.
Everything else in this package may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clawmatrix_core.clock import Clock
    from clawmatrix_core.config import (
        ByteSize,
        Config,
        ConfigSection,
        Duration,
        HostPort,
        Secret,
        option,
    )
    from clawmatrix_core.config_changes import Changes
    from clawmatrix_core.directory import NodeRecord, Peer
    from clawmatrix_core.errors import (
        ClawMatrixError,
        ConfigError,
        ConnectionLost,
        DeadlineExceeded,
        DialError,
        ExchangeCancelled,
        ExchangeError,
        ExchangeFailure,
        LocalProtocolError,
        NewerStateError,
        PeerLost,
        PluginError,
        RemoteProtocolError,
        StartError,
        StateError,
        Undeliverable,
    )
    from clawmatrix_core.exchange import Exchange
    from clawmatrix_core.exchanges import ExchangeLimits
    from clawmatrix_core.frames import Frame, Header, Lane, NodeId
    from clawmatrix_core.hookspecs import hookimpl
    from clawmatrix_core.link import Link
    from clawmatrix_core.loading import PluginInfo
    from clawmatrix_core.memory import MemoryHub, MemoryTransport
    from clawmatrix_core.node import Node
    from clawmatrix_core.plugin_types import (
        CLIENT_GONE,
        JSON,
        Check,
        ControlMethod,
        Finding,
        HttpRoute,
        ModelApi,
        ModelUpstream,
        Offer,
        StatusSection,
        frame_types,
    )
    from clawmatrix_core.routes import PathStatus, Route, Transit
    from clawmatrix_core.scope import PluginScope
    from clawmatrix_core.state import MemoryState, State, StateFolder
    from clawmatrix_core.state_files import StateFile
    from clawmatrix_core.transport import Connection, Listener, Transport

    __version__: str

__all__ = [
    "CLIENT_GONE",
    "JSON",
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
    "DialError",
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
    "HttpRoute",
    "Lane",
    "Link",
    "Listener",
    "LocalProtocolError",
    "MemoryHub",
    "MemoryState",
    "MemoryTransport",
    "ModelApi",
    "ModelUpstream",
    "NewerStateError",
    "Node",
    "NodeId",
    "NodeRecord",
    "Offer",
    "PathStatus",
    "Peer",
    "PeerLost",
    "PluginError",
    "PluginInfo",
    "PluginScope",
    "RemoteProtocolError",
    "Route",
    "Secret",
    "StartError",
    "State",
    "StateError",
    "StateFile",
    "StateFolder",
    "StatusSection",
    "Transit",
    "Transport",
    "Undeliverable",
    "__version__",
    "frame_types",
    "hookimpl",
    "option",
]

_HOMES = {
    "clock": ("Clock",),
    "config": (
        "ByteSize",
        "Config",
        "ConfigSection",
        "Duration",
        "HostPort",
        "Secret",
        "option",
    ),
    "config_changes": ("Changes",),
    "directory": ("NodeRecord", "Peer"),
    "errors": (
        "ClawMatrixError",
        "ConfigError",
        "ConnectionLost",
        "DeadlineExceeded",
        "DialError",
        "ExchangeCancelled",
        "ExchangeError",
        "ExchangeFailure",
        "LocalProtocolError",
        "NewerStateError",
        "PeerLost",
        "PluginError",
        "RemoteProtocolError",
        "StartError",
        "StateError",
        "Undeliverable",
    ),
    "exchange": ("Exchange",),
    "exchanges": ("ExchangeLimits",),
    "frames": ("Frame", "Header", "Lane", "NodeId"),
    "hookspecs": ("hookimpl",),
    "link": ("Link",),
    "loading": ("PluginInfo",),
    "memory": ("MemoryHub", "MemoryTransport"),
    "node": ("Node",),
    "plugin_types": (
        "CLIENT_GONE",
        "JSON",
        "Check",
        "ControlMethod",
        "Finding",
        "HttpRoute",
        "ModelApi",
        "ModelUpstream",
        "Offer",
        "StatusSection",
        "frame_types",
    ),
    "routes": ("PathStatus", "Route", "Transit"),
    "scope": ("PluginScope",),
    "state": ("MemoryState", "State", "StateFolder"),
    "state_files": ("StateFile",),
    "transport": ("Connection", "Listener", "Transport"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("clawmatrix")
    elif name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
