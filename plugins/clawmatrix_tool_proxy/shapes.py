"""What the grants are told of the tools of this node, also where it does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_grants.api import ToolShape
from clawmatrix_tool_proxy.catalog.keeping import CatalogKeeper
from clawmatrix_tool_proxy.command_service import command_tools
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.file_service import file_tools
from clawmatrix_tool_proxy.files.config import root_tables
from clawmatrix_tool_proxy.peers import CLUSTER_PEERS, peers_tool
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import Config, Node, PluginScope
    from clawmatrix_tool_proxy.tool import Arguments, Tool

__all__ = ["BUILT_IN", "shapes_at_rest", "shapes_of", "shapes_unserved"]

BUILT_IN: Final = frozenset(
    {
        "audit",
        "control",
        "gemini",
        "grants",
        "http",
        "knowledge",
        "mcp",
        "mesh",
        "model-proxy",
        "relay",
        "tool-proxy",
    }
)
"""The plugins that come with ClawMatrix. The tools of each are told of by the plugin itself."""
WRITING: Final = frozenset({"edit", "exec", "shell", "write"})
COMMANDS: Final = frozenset({"exec", "shell"})
FILES: Final = frozenset({"edit", "list", "read", "search", "write"})
SHOWING_BELOW: Final = frozenset({"list", "search"})


def shapes_of(tools: Iterable[Tool], config: Config) -> list[ToolShape]:
    """Return what there is to tell of the tools of a node that runs.

    Those for files and commands are told of also where they cannot be called now: a rule about
    them is no mistake.
    """
    found = list(tools)
    names = {tool.name for tool in found}
    return [*_shapes(found, config), *(one for one in _own(config) if one.name not in names)]


def shapes_unserved(node: Node, scope: PluginScope) -> list[ToolShape]:
    """Return what there is to tell of the tools of a node that runs, and has none of plugins."""
    return shapes_of([peers_tool(node, CatalogKeeper(node, scope))], node.config)


def shapes_at_rest(config: Config) -> list[ToolShape]:
    """Return what there is to tell of the tools of a node that does not run.

    The tools of plugins from elsewhere are known once the node runs; until then any name may be
    one of theirs.
    """
    found = [ToolShape(CLUSTER_PEERS, frozenset()), *_own(config)]
    elsewhere = set(config.plugins or ()) - BUILT_IN
    return [*found, ToolShape("*")] if elsewhere else found


def _own(config: Config) -> list[ToolShape]:
    """Return the shapes of the tools for files and commands; without roots they refuse all."""
    shapes = _shapes([*file_tools(config), *command_tools(config)], config)
    if config.section(ToolProxyConfig).roots:
        return shapes
    return [attrs.evolve(shape, canonical=None) for shape in shapes]


def _shapes(tools: Iterable[Tool], config: Config) -> list[ToolShape]:
    writable = _writable(config)
    return [
        ToolShape(
            tool.name,
            frozenset(tool.parameters.get("properties", ())),
            _Canonical(tool),
            writable if tool.name in WRITING else (),
            _roots(tool.name, config),
            tool.name in SHOWING_BELOW,
        )
        for tool in tools
    ]


def _writable(config: Config) -> tuple[str, ...]:
    roots = root_tables(config.section(ToolProxyConfig).roots)
    return tuple(str(root.path) for root in roots.values() if root.write)


def _roots(tool: str, config: Config) -> tuple[str, ...]:
    """Return the names of the roots that a tool of this plugin has paths in."""
    table = config.section(ToolProxyConfig)
    if tool not in FILES | COMMANDS:
        return ()
    chosen = table.exec.roots if tool in COMMANDS else None
    return tuple(name for name in table.roots if chosen is None or name in chosen)


class _Canonical:
    """Makes arguments those that the policy is asked with."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool

    def __call__(self, arguments: Arguments) -> Arguments:
        """Return them. Raises: ValueError, where the tool refuses them."""
        check, canonical = self._tool.check, self._tool.canonical
        try:
            checked = arguments if check is None else check(arguments)
            return checked if canonical is None else canonical(checked)
        except ToolError as error:
            raise ValueError(str(error)) from None
