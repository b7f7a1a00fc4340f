"""The plugin: it keeps the workspaces of its table the same on every node that shares them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
import msgspec

from clawmatrix_core import (
    ConfigSection,
    StateFile,
    StatusSection,
    frame_types,
    hookimpl,
)
from clawmatrix_knowledge import hookspecs
from clawmatrix_knowledge.config import TABLE, KnowledgeConfig, WorkspaceConfig
from clawmatrix_knowledge.contents.fetching import Fetcher
from clawmatrix_knowledge.contents.serving import ContentServer
from clawmatrix_knowledge.contents.wire import FRAME_TYPES
from clawmatrix_knowledge.index.process import DocumentProcess, child_command
from clawmatrix_knowledge.merging.classes import MergeClasses
from clawmatrix_knowledge.syncing.keeper import Keeper
from clawmatrix_knowledge.syncing.marks import Mark
from clawmatrix_knowledge.syncing.sharing import Sharing
from clawmatrix_knowledge.syncing.stops import Stops
from clawmatrix_knowledge.syncing.wire import SYNC
from clawmatrix_knowledge.syncing.workspace import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from clawmatrix_core import JSON, ControlMethod, Frame, Node, PluginScope
    from clawmatrix_knowledge.index.backend import Backend
    from clawmatrix_knowledge.versions import Version
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["KnowledgePlugin"]

_MARKS: Final = "knowledge"
_STOPS: Final = "knowledge-stops"


class KnowledgePlugin:
    """Shares workspaces.

    Attributes:
        keepers: the workspaces, by name.
        sharing: how they are shared; there once the plugin has started.
    """

    plugin_name = "knowledge"
    extends = ("tool-proxy",)
    hookspecs = hookspecs

    def __init__(self) -> None:
        self.keepers: dict[str, Keeper] = {}
        self.sharing: Sharing | None = None
        self._server: ContentServer | None = None
        self._marks: dict[str, Mark] = {}

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``knowledge``."""
        return [ConfigSection(TABLE, KnowledgeConfig)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        """Keep what tells workspaces from copies of them, and the peers that were stopped."""
        return [StateFile(_MARKS), StateFile(_STOPS)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``sync``."""
        from clawmatrix_knowledge.commands.making import add  # a node that runs does without
        from clawmatrix_knowledge.commands.sync import sync

        sync.add_command(add)

        return [sync]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what ``clawmatrix sync`` asks the running node for."""
        from clawmatrix_knowledge.methods import KnowledgeMethods

        self.methods = KnowledgeMethods(self.keepers, lambda: self.sharing)
        return self.methods.all()

    @hookimpl
    def register_status(self, node: Node) -> list[StatusSection]:
        """Tell how the workspaces are."""
        from clawmatrix_knowledge.methods import shown

        return [
            StatusSection(
                TABLE, lambda: [shown(one, self.sharing) for one in self.keepers.values()]
            )
        ]

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        """Let agents on other nodes list, read and search what they are granted."""
        from clawmatrix_knowledge.tools import KnowledgeTools  # the tool-proxy is there

        return KnowledgeTools(node, self.keepers).all()

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Begin to keep the workspaces."""
        config = node.config.section(KnowledgeConfig)
        self._node, self._scope = node, scope
        self._marks = {
            name: msgspec.convert(mark, Mark)
            for name, mark in (node.state.read(_MARKS) or {}).items()
        }
        stored: Any = node.state.read(_STOPS)
        stops = Stops(
            b"" if stored is None else msgspec.json.encode(stored),
            lambda data: self._write(_STOPS, msgspec.json.decode(data)),
            node.clock.wall,
        )
        self.sharing = Sharing(node, scope, stops)
        self._server = ContentServer(self.sharing.door)
        for name, workspace in config.workspaces.items():
            self._start(name, workspace, config)

    @hookimpl
    @frame_types(SYNC, *FRAME_TYPES)
    def frame_received(self, frame: Frame) -> bool | None:
        """Answer peers that share a workspace."""
        if self.sharing is None or self._server is None:
            return None
        is_sync = frame.header.type == SYNC
        handler = self.sharing.answer if is_sync else self._server.answer
        return self._node.accept(frame, handler, self._scope)

    @hookimpl
    async def routes_changed(self) -> None:
        """Look for peers again."""
        if self.sharing is not None:
            self.sharing.look()

    def _start(self, name: str, workspace: WorkspaceConfig, config: KnowledgeConfig) -> None:
        sharing = self.sharing
        assert sharing is not None
        keeper = Keeper(
            name,
            workspace.path,
            workspace.peers,
            _options(self._node.id, workspace, config),
            rescan=workspace.rescan,
            backend=partial(_backend, config),
            kept=self._marks.get(name),
            keep=partial(self._keep_mark, name),
            now=self._node.clock.wall,
            tell=partial(self._tell, name),
        )
        fetcher = Fetcher(
            self._node,
            name,
            keeper.files,
            partial(sharing.sources, name),
            partial(sharing.blame, name),
            most=workspace.max_file_size,
        )
        self.keepers[name] = keeper
        self._scope.start_soon(
            partial(
                keeper.run,
                fetcher.fetch,
                opened=partial(sharing.add, keeper),
                changed=partial(sharing.changed, name),
                closed=partial(sharing.remove, name),
            )
        )

    async def _tell(self, name: str, versions: Sequence[Version]) -> None:
        by_author: dict[str, list[Version]] = {}
        for version in versions:
            by_author.setdefault(version.author, []).append(version)
        for author, some in by_author.items():
            await self._node.hooks.notify(
                hookspecs.knowledge_changed,
                workspace=name,
                paths=[one.path for one in some],
                versions=some,
                peer=author,
            )

    async def _keep_mark(self, name: str, mark: Mark) -> None:
        self._marks[name] = mark
        await self._write(_MARKS, msgspec.to_builtins(self._marks))

    async def _write(self, name: str, value: JSON) -> None:
        await anyio.to_thread.run_sync(self._node.state.write, name, value)


def _options(author: str, workspace: WorkspaceConfig, config: KnowledgeConfig) -> Options:
    return Options(
        author=author,
        classes=MergeClasses(workspace.union, workspace.lines, workspace.strict),
        largest=workspace.max_file_size,
        days=config.days,
        goal=config.history,
        min_free=config.min_free,
        sends=workspace.mode != "receive-only",
        receives=workspace.mode != "send-only",
    )


def _backend(config: KnowledgeConfig) -> Backend:
    python = None if config.index_python is None else [str(config.index_python)]
    return DocumentProcess(child_command(python))
