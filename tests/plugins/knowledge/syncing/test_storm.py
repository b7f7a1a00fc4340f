"""Edits, deletions, crashes and partitions at random: nothing is lost, and all end alike."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clawmatrix_knowledge.files.memory import PowerLost
from clawmatrix_knowledge.ids import content_id
from tests.plugins.knowledge.syncing.helpers import Clock, Machine, fetch, sync, talk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from clawmatrix_knowledge.versions import ContentId

EXAMPLES: Final = int(os.environ.get("KNOWLEDGE_EXAMPLES", "40"))
STEPS: Final = 50
PATHS: Final = (
    "memory/day.md",
    "a.md",
    "conf.json",
    "d",
    "d/x.md",
    "d/y/z.txt",
    "p.png",
    "MEMORY.md",
)
TEXTS: Final = ("", "one\n", "one\ntwo\n", "two\n", "three", "one\n\none\n", "```\ncode\n```\n")


@attrs.frozen
class Act:
    """Something that happens to a node."""

    kind: str
    node: int
    path: str = "a.md"
    data: bytes = b""
    number: int = 0


CONTENTS: Final = st.one_of(
    st.sampled_from(TEXTS).map(str.encode),
    st.integers(0, 99).map(lambda number: f"line {number}\n".encode()),
    st.integers(0, 9).map(lambda number: b"\0%d" % number),
)
ACTS: Final = st.builds(
    Act,
    kind=st.sampled_from(
        ("write", "write", "append", "append", "delete", "rename", "mode", "work", "work", "talk",
         "talk", "fetch", "settle", "crash", "crash", "power", "kill", "join", "sync")
    ),
    node=st.integers(0, 2),
    path=st.sampled_from(PATHS),
    data=CONTENTS,
    number=st.integers(0, 40),
)  # fmt: skip


class Storm:
    """Nodes, and what must not be lost."""

    def __init__(self) -> None:
        clock = Clock()
        self.nodes = [Machine(name, clock) for name in "abc"]
        self.replaced: set[str] = set()

    async def run(self, acts: Sequence[Act]) -> None:
        """Do it all, and look at what is left."""
        for node in self.nodes:
            await node.start()
        for act in acts:
            await self._do(act)
            self._remember()
        for node in self.nodes:
            node.files.crash_at = None
            if node.space.halt is not None:
                await node.space.allow_deletes()
        await sync(*self.nodes)
        await sync(*self.nodes)
        self._check()

    async def _do(self, act: Act) -> None:
        node = self.nodes[act.node]
        other = self.nodes[(act.node + 1 + act.number % 2) % 3]
        match act.kind:
            case "work":
                await self._safely(node, node.space.work())
            case "settle":
                await self._safely(node, node.space.settle())
            case "talk":
                await talk(node, other)
            case "fetch":
                await fetch(node, self.nodes)
                await self._safely(node, node.space.settle())
            case "sync":
                await sync(*self.nodes)
            case "crash":
                node.files.crash_at = node.files.steps + 1 + act.number
                await self._safely(node, self._all(node, other))
                node.files.crash_at = None
            case "power":
                await self._restart(node, act.number)
            case "kill":
                await node.start()
            case "join":
                node.joins = True
                await node.start()
                node.joins = False
            case _:
                with suppress(OSError):
                    self._edit(node, act)

    async def _all(self, node: Machine, other: Machine) -> None:
        await node.space.work()
        await talk(node, other)
        await node.space.settle()
        await fetch(node, self.nodes)
        await node.space.settle()

    def _edit(self, node: Machine, act: Act) -> None:
        if act.kind == "write":
            node.write(act.path, act.data)
        elif act.kind == "append":
            node.append(act.path, act.data.decode(errors="replace"))
        elif act.kind == "delete":
            node.delete(act.path)
        elif act.kind == "mode":
            node.write(act.path, node.read(act.path), executable=bool(act.number % 2))
        else:
            to = PATHS[act.number % len(PATHS)]
            with node.files.others():
                node.files.rename(tuple(act.path.split("/")), tuple(to.split("/")))

    async def _safely(self, node: Machine, work: Awaitable[None]) -> None:
        try:
            await work
        except PowerLost:
            await self._restart(node, node.files.steps)

    async def _restart(self, node: Machine, seed: int) -> None:
        rng = random.Random(seed)
        node.files.crash(lambda: rng.random() < 0.5)
        await node.start()

    def _remember(self) -> None:
        """Note what was brought out of the workspaces."""
        for node in self.nodes:
            with node.files.others():
                folder = (".clawmatrix", "tmp")
                for entry in node.files.list(folder):
                    if entry.name.startswith("out-") and entry.stat and entry.stat.kind == "file":
                        with node.files.open((*folder, entry.name)) as handle:
                            self.replaced.add(content_id(handle.read(0, entry.stat.size)))

    def _check(self) -> None:
        first = self.nodes[0]
        there = {content_id(data) for node in self.nodes for data in node.tree().values()}
        for node in self.nodes:
            there |= {one.content for one in node.space.history.entries()}
        # A picture may have been deleted where nobody knew any more that it was there.
        lost = {content for node in self.nodes for content in node.space.missing}
        assert not lost & there
        graph = first.space.index.graph
        for node in self.nodes:
            assert sorted(node.space.index.heads) == sorted(first.space.index.heads)
            assert self._tree(node, lost) == self._tree(first, lost)
            assert lost or not graph.unsettled()
        assert {one.content for one in graph if one.kind == "text"} <= there
        assert self.replaced <= there

    def _tree(self, node: Machine, lost: set[ContentId]) -> dict[str, bytes]:
        graph = node.space.index.graph
        waits = {one.path for one in graph if one.content in lost}
        return {path: data for path, data in node.tree().items() if path not in waits}


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="KNOWLEDGE_EXAMPLES" not in os.environ,
)
@given(st.lists(ACTS, min_size=5, max_size=STEPS))
def test_nothing_is_lost_and_all_end_alike(acts: list[Act]) -> None:
    anyio.run(Storm().run, acts)
