"""Two nodes that share a folder on real files."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from clawmatrix_core.testing.fixtures import MemoryState, wait_until
from clawmatrix_knowledge.plugin import KnowledgePlugin
from tests.plugins.knowledge.syncing.nodes import Decider
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_knowledge.syncing.sharing import Sharing
    from clawmatrix_knowledge.syncing.workspace import Workspace

__all__ = ["Two", "files"]


class Two:
    """Two nodes, home and office, that share ``notes``.

    Attributes:
        options: what else is in ``[knowledge]`` of both.
    """

    def __init__(self, factory: NodeFactory, folder: Path) -> None:
        self._factory, self._folder = factory, folder
        self.nodes: dict[str, Node] = {}
        self.plugins: dict[str, KnowledgePlugin] = {}
        self.listeners: list[object] = []
        self.options: dict[str, object] = {}
        self.kept: dict[str, MemoryState] = {"home": MemoryState(), "office": MemoryState()}

    def root(self, name: str) -> Path:
        return self._folder / name

    @asynccontextmanager
    async def running(self, name: str, other: str, **options: object) -> AsyncIterator[Node]:
        self.root(name).mkdir(exist_ok=True)
        table = {"path": str(self.root(name)), "peers": [other], **options}
        plugin = KnowledgePlugin()
        node = self._factory(
            name,
            dials=[other],
            built_in=("mesh", "relay", "control"),
            plugins=[plugin, Notebook(), Decider((other, "notes")), *self.listeners],
            config={"knowledge": {**self.options, "workspaces": {"notes": table}}},
            state=self.kept[name],
        )
        async with node:
            self.plugins[name], self.nodes[name] = plugin, node
            yield node

    @asynccontextmanager
    async def both(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.running("home", "office"))
            await stack.enter_async_context(self.running("office", "home"))
            yield

    def space(self, name: str) -> Workspace:
        space = self.plugins[name].keepers["notes"].space
        assert space is not None
        return space

    async def lose_many(self) -> None:
        """Share 60 files, delete them at home, and wait until home halts."""
        home, office = self.root("home"), self.root("office")
        for number in range(60):
            (home / f"{number}.md").write_text(f"{number}\n")
        await wait_until(lambda: len(files(office)) == 60, limit=20)
        for number in range(60):
            (home / f"{number}.md").unlink()
        await wait_until(lambda: self.space("home").halt is not None, limit=20)

    def states(self, name: str) -> dict[str, str]:
        return {one.peer: one.state for one in self.sharing(name).status("notes")}

    def sharing(self, name: str) -> Sharing:
        running = self.plugins[name].running
        assert running is not None
        return running.sharing


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".clawmatrix" not in path.parts
    }
