"""Resources and prompts in the plugin: what serves them is made when it is first wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_mcp.resources.frame_types import MCP_LIST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import JSON, Frame, Node, PluginScope
    from clawmatrix_mcp.resources.asking import Report
    from clawmatrix_mcp.resources.mesh import MeshResources
    from clawmatrix_mcp.resources.servers import Servers
    from clawmatrix_mcp.resources.service import ResourceService

__all__ = ["ResourcesPart"]


class ResourcesPart:
    """The resources and prompts of a node, and those of the mesh for its clients.

    What it lists and reads is as ``MeshResources`` has it.
    """

    def __init__(self) -> None:
        self._service: ResourceService | None = None

    def start(self, node: Node, scope: PluginScope, servers: Callable[[], Servers | None]) -> None:
        """Begin; ``servers`` returns the servers that are mounted, None where there are none."""
        self._node, self._scope, self._servers = node, scope, servers

    @property
    def service(self) -> ResourceService:
        """What serves them."""
        if self._service is None:
            from clawmatrix_mcp.resources.service import ResourceService  # most nodes do without

            self._service = ResourceService(self._node, self._scope, self._servers)
        return self._service

    @property
    def mesh(self) -> MeshResources:
        """Those of the mesh, for clients of this node."""
        return self.service.mesh

    def mounted(self) -> None:
        """Follow the servers, once they are mounted."""
        if self._service is not None:
            self._service.watch()
            self._service.lists.changed()

    def received(self, frame: Frame) -> bool | None:
        """Answer a list, a reading or a prompt."""
        is_list = frame.header.type == MCP_LIST
        handler = self.service.lists.answer if is_list else self.service.server.answer
        return self._node.accept(frame, handler, self._scope)

    def reloaded(self, changed: frozenset[str]) -> None:
        """Serve what is exposed now, and what is mounted."""
        if self._service is not None and any(key.startswith("mcp.") for key in changed):
            self._service.watch()
            self._service.lists.changed()
            self._node.policy_changed("the resources that are exposed")

    def nodes_changed(self) -> None:
        """Note that other nodes may be seen, or reachable."""
        if self._service is not None:
            self._service.mesh.nodes_changed()

    async def list_resources(self) -> list[dict[str, JSON]]:
        """Return all resources."""
        return await self.mesh.list_resources()

    async def list_templates(self) -> list[dict[str, JSON]]:
        """Return all templates of resources."""
        return await self.mesh.list_templates()

    async def list_prompts(self) -> list[dict[str, JSON]]:
        """Return all prompts."""
        return await self.mesh.list_prompts()

    async def read(self, uri: str, *, report: Report | None = None) -> dict[str, JSON]:
        """Return the result of reading a resource. Raises: ToolFailed."""
        return await self.mesh.read(uri, report=report)

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], *, report: Report | None = None
    ) -> dict[str, JSON]:
        """Return a prompt. Raises: ToolFailed."""
        return await self.mesh.get_prompt(name, arguments, report=report)

    def when_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have something called when a list is new or gone; return what ends that."""
        return self.mesh.when_changed(call)
