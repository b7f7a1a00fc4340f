"""Resources and prompts in the plugin: what it serves of them, and what it gives to clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_mcp.config import McpConfig
from clawmatrix_mcp.offering.seen import Seen
from clawmatrix_mcp.resources.lists import ListServer
from clawmatrix_mcp.resources.mesh import MeshResources
from clawmatrix_mcp.resources.servers import Exposed
from clawmatrix_mcp.resources.serving import ResourceServer
from clawmatrix_mcp.resources.wire import MCP_LIST, MCP_PROMPT, MCP_READ
from clawmatrix_tool_proxy.api import Denials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import Frame, Node, PluginScope
    from clawmatrix_grants.api import Glob
    from clawmatrix_mcp.resources.servers import Servers

__all__ = ["FRAME_TYPES", "ResourcesPart"]

FRAME_TYPES = (MCP_LIST, MCP_READ, MCP_PROMPT)


class ResourcesPart:
    """Serves resources and prompts of mounted servers from when it is started on.

    Attributes:
        mesh: those of the mesh, for clients of this node.
    """

    mesh: MeshResources

    def start(self, node: Node, scope: PluginScope, servers: Callable[[], Servers | None]) -> None:
        """Begin; ``servers`` returns the servers that are mounted, None where there are none."""
        self._node, self._scope, self._servers = node, scope, servers
        self._watched: Servers | None = None
        exposed = Exposed(servers, self._patterns)
        denials = Denials(node, action="resource")
        scope.start_soon(denials.run, name="denials of resources")
        self._lists = ListServer(node, exposed)
        self._server = ResourceServer(node, exposed, denials)
        self.mesh = MeshResources(node, scope, Seen(node))
        node.when_policy_changes(lambda _: self._lists.changed())
        self._watch()

    @property
    def left_out(self) -> int:
        """How many things the newest list for others left out, as it would have been too large."""
        return self._lists.left_out

    def mounted(self) -> None:
        """Follow the servers, once they are mounted."""
        self._watch()
        self._lists.changed()

    def reloaded(self, changed: frozenset[str]) -> None:
        """Serve what is exposed now, and what is mounted."""
        if any(key.startswith("mcp.") for key in changed):
            self._watch()
            self._lists.changed()
            self._node.policy_changed("the resources that are exposed")

    def received(self, frame: Frame) -> bool | None:
        """Answer a list, a reading or a prompt."""
        is_list = frame.header.type == MCP_LIST
        handler = self._lists.answer if is_list else self._server.answer
        return self._node.accept(frame, handler, self._scope)

    def _patterns(self) -> Sequence[Glob]:
        return [pattern.glob for pattern in self._node.config.section(McpConfig).resources]

    def _watch(self) -> None:
        """Have lists written anew when those of a server change."""
        servers = self._servers()
        if servers is not None and servers is not self._watched:
            self._watched = servers
            servers.when_changed(self._lists.changed)
