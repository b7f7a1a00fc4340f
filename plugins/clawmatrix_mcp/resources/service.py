"""Everything that a node needs to serve resources and prompts; most nodes do without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_mcp.config import McpConfig
from clawmatrix_mcp.offering.seen import Seen
from clawmatrix_mcp.resources.lists import ListServer
from clawmatrix_mcp.resources.mesh import MeshResources
from clawmatrix_mcp.resources.servers import Exposed
from clawmatrix_mcp.resources.serving import ResourceServer
from clawmatrix_tool_proxy.api import Denials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import Node, PluginScope
    from clawmatrix_grants.api import Glob
    from clawmatrix_mcp.resources.servers import Servers

__all__ = ["ResourceService"]


class ResourceService:
    """Serves resources and prompts of mounted servers.

    Attributes:
        lists: tells other nodes what they may read.
        server: answers readings and prompts.
        mesh: those of the mesh, for clients of this node.
    """

    def __init__(
        self, node: Node, scope: PluginScope, servers: Callable[[], Servers | None]
    ) -> None:
        """Begin; ``servers`` returns the servers that are mounted, None where there are none."""
        self._node, self._servers = node, servers
        self._watched: Servers | None = None
        exposed = Exposed(servers, self._patterns)
        denials = Denials(node, action="resource")
        scope.start_soon(denials.run, name="denials of resources")
        self.lists = ListServer(node, exposed)
        self.server = ResourceServer(node, exposed, denials)
        self.mesh = MeshResources(node, scope, Seen(node))
        node.when_policy_changes(lambda _: self.lists.changed())
        self.watch()

    def watch(self) -> None:
        """Have lists written anew when those of a server change."""
        servers = self._servers()
        if servers is not None and servers is not self._watched:
            self._watched = servers
            servers.when_changed(self.lists.changed)

    def _patterns(self) -> Sequence[Glob]:
        return [pattern.glob for pattern in self._node.config.section(McpConfig).resources]
