"""The plugin: it keeps the workspaces of its table the same on every node that shares them.

A node without the table imports nothing of a workspace: its code is imported on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clawmatrix_core import (
    ConfigSection,
    ControlMethod,
    StateFile,
    StatusSection,
    frame_types,
    hookimpl,
)
from clawmatrix_knowledge import hookspecs
from clawmatrix_knowledge.frame_types import FRAME_TYPES
from clawmatrix_knowledge.names import MARKS, STOPS, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

    from clawmatrix_core import JSON, Beside, Check, Config, Frame, Node, PluginScope
    from clawmatrix_grants.api import ToolShape
    from clawmatrix_knowledge.config import KnowledgeConfig
    from clawmatrix_knowledge.methods import KnowledgeMethods
    from clawmatrix_knowledge.running import Workspaces
    from clawmatrix_knowledge.syncing.keeper import Keeper
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["KnowledgePlugin"]

_TOOLS: Final = ("knowledge_list", "knowledge_read", "knowledge_search")
_CALLS: Final = (
    "sync.status",
    "sync.conflicts",
    "sync.log",
    "sync.restore",
    "sync.deleted",
    "sync.revert",
    "sync.export",
    "sync.pause",
    "sync.resume",
    "sync.rescan",
    "sync.allow-deletes",
    "sync.reject-deletes",
)


class KnowledgePlugin:
    """Shares workspaces.

    Attributes:
        keepers: the workspaces, by name.
        running: what shares them; None without a table, and before the plugin has started.
    """

    plugin_name = "knowledge"
    extends = ("tool-proxy", "grants")
    hookspecs = hookspecs

    def __init__(self) -> None:
        self.keepers: dict[str, Keeper] = {}
        self.running: Workspaces | None = None

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``knowledge``."""
        return [ConfigSection(TABLE, "clawmatrix_knowledge.config:KnowledgeConfig", warn=_warn)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        """Keep what tells workspaces from copies of them, and the peers that were stopped."""
        return [StateFile(MARKS), StateFile(STOPS)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``sync``."""
        from clawmatrix_knowledge.commands.sync import sync  # a node that runs does without

        return [sync]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        """Add what ``clawmatrix sync`` asks the running node for."""
        return ControlMethod.later(self._methods, _CALLS)

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Tell how the workspaces are."""
        return [StatusSection(TABLE, self._status)]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Have ``clawmatrix doctor`` look at the folders, the peers and the index."""
        if not config.has_table(TABLE):
            return []
        from clawmatrix_knowledge.checks import knowledge_checks  # a node that runs does without

        return knowledge_checks(config, self.running, self.keepers, lives=node is not None)

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        """Let agents on other nodes list, read and search what they are granted."""
        if not node.config.has_table(TABLE):
            return []
        from clawmatrix_knowledge.tools import KnowledgeTools  # most nodes do without

        return KnowledgeTools(node, self.keepers).all()

    @hookimpl
    def register_tool_shapes(self, node: Node) -> list[ToolShape]:
        """Tell the grants of the tools of a node that does not run."""
        if not node.config.has_table(TABLE):
            return []
        from clawmatrix_grants.api import ToolShape  # most nodes do without

        return [ToolShape(name, frozenset()) for name in _TOOLS]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Begin to keep the workspaces."""
        if not node.config.has_table(TABLE):
            return
        from clawmatrix_knowledge.config import KnowledgeConfig  # most nodes do without

        config = node.config.section(KnowledgeConfig)
        if config.workspaces:
            from clawmatrix_knowledge.running import Workspaces

            self.running = Workspaces(node, scope, self.keepers)
            self.running.start(config)

    @hookimpl
    @frame_types(*FRAME_TYPES)
    def frame_received(self, frame: Frame) -> bool | None:
        """Answer peers that share a workspace."""
        return None if self.running is None else self.running.received(frame)

    @hookimpl
    async def routes_changed(self) -> None:
        """Look for peers again."""
        if self.running is not None:
            self.running.sharing.look()

    @hookimpl
    async def knowledge_changed(
        self, node: Node, workspace: str, paths: Sequence[str], peer: str
    ) -> None:
        """Have the status show the last change."""
        from clawmatrix_knowledge.syncing.keeper import Change  # there is a workspace

        change = Change(node.clock.wall(), peer, len(paths), paths[0])
        self.keepers[workspace].last = change

    def methods(self) -> KnowledgeMethods:
        """Return what people ask for over the control socket."""
        from clawmatrix_knowledge.methods import KnowledgeMethods  # a node does without

        running = self.running
        return KnowledgeMethods(self.keepers, None if running is None else running.sharing)

    async def _methods(self) -> Sequence[ControlMethod]:
        return self.methods().all()

    def _status(self) -> JSON:
        if self.running is None:
            return []
        from clawmatrix_knowledge.methods import shown

        return [shown(one, self.running.sharing) for one in self.keepers.values()]


def _warn(table: KnowledgeConfig, beside: Beside) -> Iterator[tuple[tuple[str, ...], str]]:
    from clawmatrix_knowledge.checks import warn_of_anybody  # a node that runs does without

    return warn_of_anybody(table, beside)
