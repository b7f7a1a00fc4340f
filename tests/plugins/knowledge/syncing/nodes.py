"""What the tests of sharing use: nodes with a plugin that shares workspaces which are stand-ins."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from clawmatrix_core import Verdict, frame_types, hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_knowledge.contents.serving import ContentServer
from clawmatrix_knowledge.frame_types import FRAME_TYPES, SYNC
from clawmatrix_knowledge.index.backend import InProcess
from clawmatrix_knowledge.index.handle import Handler
from clawmatrix_knowledge.index.index import Index
from clawmatrix_knowledge.index.store import Store
from clawmatrix_knowledge.syncing.sharing import Sharing
from clawmatrix_knowledge.syncing.stops import Stops
from tests.plugins.knowledge.index.helpers import MemoryShelf
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence

    from clawmatrix_core import Frame, Node, PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_knowledge.syncing.wire import Numbers
    from clawmatrix_knowledge.versions import ContentId, Version

__all__ = ["Decider", "Sharer", "Space", "index_on", "sharing_nodes"]


async def directly(function: Callable[[], object]) -> object:
    return function()


async def index_on(shelf: MemoryShelf) -> Index:
    """Return an open index, whose document is in this process."""
    backends = [InProcess(lambda: Handler().handle) for _ in range(2)]
    index = Index(backends[0], Store(shelf), backends[1], directly)
    await index.open()
    return index


class Space:
    """A workspace that is no more than its index and some contents."""

    def __init__(self, index: Index, peers: Collection[str], name: str = "notes") -> None:
        self.index, self.peers, self.name = index, peers, name
        self.contents: dict[ContentId, bytes] = {}
        self.got: list[Version] = []

    async def read(self, content: ContentId, offset: int = 0) -> AsyncGenerator[bytes, None]:
        data = self.contents[content]
        for at in range(offset, len(data), 1024**2):
            yield data[at : at + 1024**2]

    async def received(self, versions: Sequence[Version]) -> None:
        self.got += versions


class Decider:
    """Allows what is in ``allowed``: names of peers with names of workspaces."""

    plugin_name = "decider"

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self.allowed = set(allowed)

    @hookimpl
    async def authorize(self, peer: str, action: str, target: str) -> Verdict:
        allowed = action == "workspace" and (peer, target) in self.allowed
        return Verdict("allow" if allowed else "deny", "the decider")


class Sharer:
    """The plugin that shares.

    Args:
        stored: the peers that were stopped in an earlier run.
        numbers: the format and the rules that it says it has.
        peers: with whom it shares a workspace from its start on, kept on ``shelf``.
    """

    plugin_name = "sharer"

    def __init__(
        self,
        stored: bytes = b"",
        numbers: Numbers | None = None,
        peers: Sequence[str] = (),
        shelf: MemoryShelf | None = None,
    ) -> None:
        self.stored, self._numbers = stored, numbers
        self._peers, self._shelf = peers, shelf
        self.space: Space | None = None
        self.notebook, self.decider = Notebook(), Decider()

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.node, self.scope = node, scope

        async def save(data: bytes) -> None:
            self.stored = data

        self.stops = Stops(self.stored, save, node.clock.wall)
        self.sharing = Sharing(node, scope, self.stops, self._numbers)
        self.server = ContentServer(self.sharing.door)
        if self._peers:
            self.space = await self.share(*self._peers, shelf=self._shelf)

    @hookimpl
    @frame_types(*FRAME_TYPES)
    def frame_received(self, frame: Frame) -> bool | None:
        is_sync = frame.header.type == SYNC
        handler = self.sharing.answer if is_sync else self.server.answer
        return self.node.accept(frame, handler, self.scope)

    @hookimpl
    async def routes_changed(self) -> None:
        self.sharing.look()

    async def share(
        self, *peers: str, name: str = "notes", shelf: MemoryShelf | None = None
    ) -> Space:
        """Share a new workspace with peers, all of which may have it."""
        space = Space(await index_on(shelf or MemoryShelf()), list(peers), name)
        self.allow(*peers, name=name)
        self.sharing.add(space)
        return space

    def allow(self, *peers: str, name: str = "notes") -> None:
        self.decider.allowed |= {(peer, name) for peer in peers}
        self.node.policy_changed("the decider")

    def deny(self, *peers: str, name: str = "notes") -> None:
        self.decider.allowed -= {(peer, name) for peer in peers}
        self.node.policy_changed("the decider")

    def states(self, name: str = "notes") -> dict[str, str]:
        return {one.peer: one.state for one in self.sharing.status(name)}

    async def record(self, space: Space, *versions: Version) -> None:
        """Record versions as a workspace does."""
        await space.index.record(versions)
        self.sharing.changed(space.name)


@asynccontextmanager
async def sharing_nodes(
    factory: NodeFactory, *names: str, **sharers: Sharer
) -> AsyncIterator[dict[str, Sharer]]:
    """Run nodes that are linked through one without a workspace, ``relay``."""
    made = {name: sharers.get(name, Sharer()) for name in names}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(factory("relay"))
        nodes = []
        for name, sharer in made.items():
            plugins = [sharer, sharer.notebook, sharer.decider]
            node = factory(name, dials=["relay"], plugins=plugins)
            nodes.append(await stack.enter_async_context(node))
        await wait_until(lambda: all(one.reachable(two.id) for one in nodes for two in nodes))
        yield made
