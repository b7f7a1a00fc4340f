"""What the tests of a plugin use: ``pytest_plugins = ["clawmatrix_core.testing"]``.

That line, in the ``conftest.py`` at the root of the tests, brings the fixtures
``node_factory`` and ``mesh``. A test fails where a hook or task of a plugin faulted in one of
their nodes, unless the test is marked ``faults_expected``, and where annotations do not fit the
hooks, unless it is marked ``annotations_unchecked``. See docs/testing-plugins.md.

Start reading with ``fixtures``; ``reaching`` and ``command_line`` ask something of a node.
``memory`` is a transport within one process, ``acceptance`` has the checks that every transport
passes, ``simulation`` runs a mesh on virtual time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clawmatrix_core.state.folder import MemoryState
    from clawmatrix_core.testing.command_line import CommandResult, run_command
    from clawmatrix_core.testing.fixtures import (
        SECRET,
        MeshFactory,
        NodeFactory,
        free_port,
        mesh,
        node_factory,
        pytest_configure,
        wait_until,
    )
    from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
    from clawmatrix_core.testing.reaching import (
        call_control,
        http_client,
        plugin_of,
        reload,
        stream_control,
    )
    from clawmatrix_core.testing.simulation import Quality, SimNetwork, Simulation, run_simulation

__all__ = [
    "SECRET",
    "CommandResult",
    "MemoryHub",
    "MemoryState",
    "MemoryTransport",
    "MeshFactory",
    "NodeFactory",
    "Quality",
    "SimNetwork",
    "Simulation",
    "call_control",
    "free_port",
    "http_client",
    "mesh",
    "node_factory",
    "plugin_of",
    "pytest_configure",
    "reload",
    "run_command",
    "run_simulation",
    "stream_control",
    "wait_until",
]

# Each name is imported on first use: the memory transport is for programs that have no pytest.
_HOMES = {
    "clawmatrix_core.state.folder": ("MemoryState",),
    "clawmatrix_core.testing.fixtures": (
        "SECRET",
        "MeshFactory",
        "NodeFactory",
        "free_port",
        "mesh",
        "node_factory",
        "pytest_configure",
        "wait_until",
    ),
    "clawmatrix_core.testing.command_line": ("CommandResult", "run_command"),
    "clawmatrix_core.testing.reaching": (
        "call_control",
        "http_client",
        "plugin_of",
        "reload",
        "stream_control",
    ),
    "clawmatrix_core.testing.memory": ("MemoryHub", "MemoryTransport"),
    "clawmatrix_core.testing.simulation": (
        "Quality",
        "SimNetwork",
        "Simulation",
        "run_simulation",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
