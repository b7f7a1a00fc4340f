"""Nodes that share a folder, on real files, with the index in a process of its own."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_knowledge.plugin import KnowledgePlugin
from tests.plugins.knowledge.syncing.nodes import Decider
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


class Two:
    """Two nodes, home and office, that share ``notes``."""

    def __init__(self, factory: NodeFactory, folder: Path) -> None:
        self._factory, self._folder = factory, folder
        self.plugins: dict[str, KnowledgePlugin] = {}

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
            plugins=[plugin, Notebook(), Decider((other, "notes"))],
            config={"knowledge": {"workspaces": {"notes": table}}},
        )
        async with node:
            self.plugins[name] = plugin
            yield node

    @asynccontextmanager
    async def both(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.running("home", "office"))
            await stack.enter_async_context(self.running("office", "home"))
            yield


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".clawmatrix" not in path.parts
    }


@pytest.fixture
def two(node_factory: NodeFactory, tmp_path: Path) -> Two:
    return Two(node_factory, tmp_path)


async def test_a_folder_is_the_same_on_two_nodes(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    home.mkdir()
    for number in range(40):
        path = home / f"memory/{number % 4}/{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    large = bytes(range(256)) * 12_000
    (home / "large.bin").write_bytes(large)
    async with two.both():
        await wait_until(lambda: len(files(office)) == 41, limit=30)
        assert files(home) == files(office)
        with (office / "memory/1/1.md").open("a") as file:
            file.write("more\n")
        await wait_until(lambda: (home / "memory/1/1.md").read_text() == "1\nmore\n", limit=20)
        (home / "memory/2/2.md").unlink()
        await wait_until(lambda: not (office / "memory/2/2.md").exists(), limit=20)
        status = (await two.plugins["home"].methods.status({}))[0]
        assert status["state"] == "running"
        assert status["files"] == 40
        assert [peer["state"] for peer in status["peers"]] == ["open"]
    assert files(home) == files(office)
    assert (home / ".clawmatrix").stat().st_mode & 0o777 == 0o700
