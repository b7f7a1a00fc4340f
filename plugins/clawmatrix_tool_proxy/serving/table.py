"""The tools of this node, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.serving.exposure import Exposure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_tool_proxy.tool import Tool

__all__ = ["ToolTable"]


class ToolTable:
    """The tools that plugins registered, and which of them are exposed.

    Attributes:
        open: names of tools that this node's own clients may always call.
    """

    def __init__(self, works: Callable[[str], bool]) -> None:
        """Make an empty one; ``works`` says whether a plugin has not been taken out."""
        self.open: frozenset[str] = frozenset()
        self._works = works
        self._tools: dict[str, tuple[str, Tool]] = {}
        self._exposure = Exposure((), ())

    def __iter__(self) -> Iterator[Tool]:
        """Return the tools of plugins that work, in the order of their names."""
        return iter(
            [tool for _, (plugin, tool) in sorted(self._tools.items()) if self._works(plugin)]
        )

    def put(self, found: Sequence[tuple[str, Tool]]) -> None:
        """Take the tools of all plugins in the place of those before."""
        self._tools = {tool.name: (plugin, tool) for plugin, tool in found}

    def expose(self, exposure: Exposure) -> None:
        """Expose these tools from now on."""
        self._exposure = exposure

    def exposed(self, name: str, *, own: bool) -> Tool | None:
        """Return the tool of a name, None where it is not there or not exposed.

        Tools that are ``open`` are there for this node's ``own`` clients, exposed or not.
        """
        plugin, tool = self._tools.get(name, ("", None))
        if tool is None or not self._works(plugin):
            return None
        return tool if self._exposure.exposes(name) or (own and name in self.open) else None

    def why_not(self, name: str) -> str:
        """Return why no tool of a name is exposed, in words for the log and the audit."""
        if (why := self._exposure.why_not(name)) is not None:
            return f"not exposed: {why}"
        return "no plugin of this node has a tool of that name"

    def all_exposed(self, *, own: bool) -> Sequence[Tool]:
        """Return all exposed tools, in the order of their names."""
        return [tool for tool in self if self.exposed(tool.name, own=own) is not None]

    def plugin_of(self, tool: Tool) -> str:
        """Return the name of the plugin that registered a tool; empty where it is gone."""
        plugin, found = self._tools.get(tool.name, ("", None))
        return plugin if found is tool else ""
