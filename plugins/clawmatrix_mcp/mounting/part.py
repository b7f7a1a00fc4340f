"""What the plugin does about mounted servers; their code is imported once there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core import JSON, Check, Node, PluginScope
    from clawmatrix_grants.api import ToolShape
    from clawmatrix_mcp.mounting.config import ServerConfig
    from clawmatrix_mcp.mounting.mounts import Mounts
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["MountingPart"]


class MountingPart:
    """The mounted servers of a node, from when there are any on.

    Attributes:
        mounts: the servers; None before there were any.
    """

    def __init__(self) -> None:
        self.mounts: Mounts | None = None

    async def start(
        self, node: Node, scope: PluginScope, servers: Callable[[], Mapping[str, ServerConfig]]
    ) -> None:
        """Start the servers of the configuration; ``servers`` returns their tables."""
        self._node, self._scope, self._servers = node, scope, servers
        await self.configure()

    async def configure(self) -> None:
        """Start, end and change servers so that they are those of the configuration."""
        if self.mounts is not None:
            self.mounts.configure()
        elif self._servers():
            from clawmatrix_mcp.mounting.mounts import Mounts  # most nodes do without

            mounts = Mounts(self._node, self._servers)
            self.mounts = await self._scope.enter(mounts, name="mounted servers")

    def tools(self) -> Sequence[Tool]:
        """Return the tools of the servers."""
        return () if self.mounts is None else self.mounts.tools()

    def shapes(self, servers: Mapping[str, ServerConfig]) -> list[ToolShape]:
        """Return what stands for tools that are not known yet, or that wait to be accepted.

        Args:
            servers: the tables of the configuration, by name.
        """
        if not servers:
            return []
        from clawmatrix_grants.api import ToolShape  # most nodes do without

        known = () if self.mounts is None else self.mounts.settled()
        return [ToolShape(f"{name}_*") for name in servers if name not in known]

    def status(self) -> dict[str, JSON]:
        """Return what ``status`` says of the servers."""
        return {"servers": {} if self.mounts is None else self.mounts.status()}

    def check(self, servers: Mapping[str, ServerConfig]) -> Check:
        """Return what the doctor looks at; ``servers`` are the tables of the configuration."""
        from clawmatrix_mcp.mounting.checks import servers_check  # a node does without

        return servers_check(servers, self.mounts)
