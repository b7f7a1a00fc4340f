"""The workspaces of a node that runs: what starts them, shares them and answers peers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from clawmatrix_knowledge import hookspecs
from clawmatrix_knowledge.contents.fetching import Fetcher
from clawmatrix_knowledge.contents.serving import ContentServer
from clawmatrix_knowledge.frame_types import SYNC
from clawmatrix_knowledge.index.process import DocumentProcess, child_command
from clawmatrix_knowledge.merging.classes import MergeClasses
from clawmatrix_knowledge.names import MARKS, STOPS
from clawmatrix_knowledge.syncing.keeper import Keeper
from clawmatrix_knowledge.syncing.marks import Mark
from clawmatrix_knowledge.syncing.sharing import Sharing
from clawmatrix_knowledge.syncing.stops import Stops
from clawmatrix_knowledge.syncing.workspace import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import JSON, Frame, Node, PluginScope
    from clawmatrix_knowledge.config import KnowledgeConfig, WorkspaceConfig
    from clawmatrix_knowledge.index.backend import Backend
    from clawmatrix_knowledge.versions import Version

__all__ = ["Workspaces"]


class Workspaces:
    """The workspaces of a node, and how they are shared.

    Args:
        node: runs them.
        scope: ends their tasks with the plugin.
        keepers: filled with the workspaces, by name.

    Attributes:
        sharing: the shares with other nodes.
    """

    def __init__(self, node: Node, scope: PluginScope, keepers: dict[str, Keeper]) -> None:
        self._node, self._scope, self._keepers = node, scope, keepers
        self._marks: dict[str, Mark] = {
            name: msgspec.convert(mark, Mark)
            for name, mark in (node.state.read(MARKS) or {}).items()
        }
        stored: Any = node.state.read(STOPS)
        stops = Stops(
            b"" if stored is None else msgspec.json.encode(stored),
            lambda data: self._write(STOPS, msgspec.json.decode(data)),
            node.clock.wall,
        )
        self.sharing = Sharing(node, scope, stops)
        self._server = ContentServer(self.sharing.door)

    def start(self, config: KnowledgeConfig) -> None:
        """Start the workspaces of the table."""
        for name, workspace in config.workspaces.items():
            self._start(name, workspace, config)

    def received(self, frame: Frame) -> bool | None:
        """Answer a peer that shares a workspace."""
        is_sync = frame.header.type == SYNC
        handler = self.sharing.answer if is_sync else self._server.answer
        return self._node.accept(frame, handler, self._scope)

    def _start(self, name: str, workspace: WorkspaceConfig, config: KnowledgeConfig) -> None:
        sharing = self.sharing
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
        self._keepers[name] = keeper
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
        await self._write(MARKS, msgspec.to_builtins(self._marks))

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
