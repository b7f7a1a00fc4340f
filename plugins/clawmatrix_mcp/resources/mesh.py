"""The resources and prompts of the mesh, as MCP clients of this node are given them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import anyio
import attrs

from clawmatrix_core import NodeId, key_text
from clawmatrix_mcp.naming import clean_text, offered_name
from clawmatrix_mcp.resources.asking import Asked, ask
from clawmatrix_mcp.resources.frame_types import MCP_PROMPT, MCP_READ
from clawmatrix_mcp.resources.keeping import ListKeeper
from clawmatrix_mcp.resources.uris import (
    MeshUri,
    canonical,
    prompt_target,
    resource_target,
    sendable,
)
from clawmatrix_mcp.resources.wire import PromptRequest, ReadRequest
from clawmatrix_tool_proxy.api import ToolFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clawmatrix_core import JSON, Node, PluginScope
    from clawmatrix_mcp.resources.asking import Report
    from clawmatrix_mcp.resources.keeping import Listed
    from clawmatrix_mcp.resources.wire import Entry, Kind

__all__ = ["MeshResources", "SeenNodes"]

PATIENCE: Final = 2.0
"""Seconds that a node gets for its first list."""
_WORDS: Final = ("title", "description")


class SeenNodes(Protocol):
    """Says of which nodes clients see something."""

    def all(self) -> Sequence[NodeId]:
        """Return the other nodes that are seen."""

    def why_not(self, name: NodeId, key: bytes | None, /) -> str:
        """Return why nothing is seen that a key told for a name; empty where it is."""


@attrs.frozen
class _Prompt:
    """A prompt that clients are given."""

    node: NodeId
    entry: Entry
    key: str

    @property
    def name(self) -> str:
        """What clients call it."""
        return offered_name(self.node, self.key, f"{self.entry.server}_{self.entry.name}")


class MeshResources:
    """What the nodes that are seen let this one read, under the names that clients use.

    Nothing is kept but what the nodes say now, and nothing is decided here: the node of a server
    decides about each reading.

    Attributes:
        keeper: the lists of the nodes that were asked.
    """

    def __init__(
        self, node: Node, scope: PluginScope, seen: SeenNodes, *, patience: float = PATIENCE
    ) -> None:
        self._node, self._seen, self._patience = node, seen, patience
        self.keeper = ListKeeper(node, scope, self._tell)
        self._callbacks: list[Callable[[], None]] = []
        self._left_out: Mapping[str, str] = {}
        self._asked: Sequence[NodeId] | None = None

    @property
    def left_out(self) -> Mapping[str, str]:
        """Why something of a node is not listed, by the node's name, as of the last list."""
        return self._left_out

    def when_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have something called when a list is new or gone; return what ends that."""
        self._callbacks.append(call)
        return lambda: self._callbacks.remove(call) if call in self._callbacks else None

    def nodes_changed(self) -> None:
        """Note that other nodes may be seen, or reachable, than when lists were last asked for."""
        if self._asked is not None and self._reachable() != self._asked:
            self._asked = None  # until somebody asks again
            self._tell()

    async def list_resources(self) -> list[dict[str, JSON]]:
        """Return all resources that are listed, by node and in the order of their servers."""
        return [_with_uri(node, entry, "uri") for node, entry in await self._all("resource")]

    async def list_templates(self) -> list[dict[str, JSON]]:
        """Return all templates of resources that are listed."""
        return [
            _with_uri(node, entry, "uriTemplate") for node, entry in await self._all("template")
        ]

    async def list_prompts(self) -> list[dict[str, JSON]]:
        """Return all prompts that are listed, under the names that clients use."""
        return [
            {**_cleaned(one.entry.told), "name": name}
            for name, one in (await self._prompts()).items()
        ]

    async def read(self, uri: str, *, report: Report | None = None) -> dict[str, JSON]:
        """Return the result of reading ``mesh://NODE/SERVER/URI``.

        The URIs of its contents are those of the mesh, and all else is as the server gave it.

        Args:
            uri: what to read.
            report: told in words that a person has to allow it.

        Raises: ToolFailed; its code is ``bad_uri`` for what is no such URI, and ``unknown`` for a
            node that clients do not see.
        """
        try:
            wanted = MeshUri.read(uri)
        except ValueError as error:
            words = f"{error}; a link in the result of a tool is such a URI with its server before"
            raise ToolFailed("bad_uri", f"{words} it", may_have_run=False) from None
        target = resource_target(wanted.server, wanted.uri)
        if target is None:
            words = "a URI has a scheme, and no part of it is . or .."
            raise ToolFailed("bad_uri", words, may_have_run=False)
        node = self._seen_node(wanted.node)
        request = ReadRequest(wanted.server, wanted.uri)
        arguments: dict[str, JSON] = {"uri": canonical(wanted.uri)}
        asked = Asked(node, MCP_READ, request, target, arguments, report)
        return _with_mesh_uris(wanted, await ask(self._node, asked))

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], *, report: Report | None = None
    ) -> dict[str, JSON]:
        """Return a prompt by the name that clients use, as its server gave it.

        Raises: ToolFailed; its code is ``unknown`` for a name that is not listed.
        """
        prompt = (await self._prompts()).get(name)
        target = None
        if prompt is not None:
            target = prompt_target(prompt.entry.server, prompt.entry.name)
        if prompt is None or target is None:
            raise ToolFailed("unknown", f"no prompt is named {name[:100]}", may_have_run=False)
        request = PromptRequest(prompt.entry.server, prompt.entry.name, dict(arguments))
        asked = Asked(prompt.node, MCP_PROMPT, request, target, dict(arguments), report)
        return await ask(self._node, asked)

    def _seen_node(self, name: str) -> NodeId:
        """Return a node that clients see. Raises: ToolFailed."""
        node = NodeId(name)
        if node == self._node.id:
            return node
        known = self._node.directory.get(node)
        key = None if known is None else known.record.sign_key_bytes()
        if node not in self._seen.all() or self._seen.why_not(node, key):
            words = f"no node {name} is seen here; see [mcp] nodes"
            raise ToolFailed("unknown", words, may_have_run=False)
        return node

    async def _prompts(self) -> dict[str, _Prompt]:
        """Return all prompts that are listed by their names; of two of one name the first."""
        found: dict[str, _Prompt] = {}
        for listed in await self._lists():
            key = self._node.identity.key_text if listed.key is None else key_text(listed.key)
            for entry in listed.entries:
                if entry.kind == "prompt":
                    prompt = _Prompt(listed.peer, entry, key)
                    found.setdefault(prompt.name, prompt)
        return found

    async def _all(self, kind: Kind) -> list[tuple[NodeId, Entry]]:
        return [
            (listed.peer, entry)
            for listed in await self._lists()
            for entry in listed.entries
            if entry.kind == kind
        ]

    async def _lists(self) -> list[Listed]:
        """Return the lists of all nodes that are seen, this one's first."""
        names = [self._node.id, *self._seen.all()]
        self._asked = self._reachable()
        found: dict[NodeId, Listed | str] = {}

        async def look(name: NodeId) -> None:
            found[name] = await self._list(name)

        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(look, name)
        self._left_out = dict(_left_out(found[name], name) for name in names)
        self._left_out = {name: why for name, why in self._left_out.items() if why}
        return [one for name in names if not isinstance(one := found[name], str)]

    def _reachable(self) -> Sequence[NodeId]:
        return [name for name in self._seen.all() if self._node.reachable(name)]

    async def _list(self, name: NodeId) -> Listed | str:
        """Return the list of a node, or why there is none."""
        if name != self._node.id and not self._node.reachable(name):
            return "it is not reachable"
        try:
            listed = await self.keeper.ask(name, patience=self._patience)
        except ToolFailed as error:
            return "" if error.code == "unknown_type" else str(error)
        if name == self._node.id:
            return listed
        return self._seen.why_not(name, listed.key) or listed

    def _tell(self) -> None:
        for call in tuple(self._callbacks):
            call()


def _left_out(found: Listed | str, name: NodeId) -> tuple[str, str]:
    if isinstance(found, str):
        return name, found
    return name, f"its list is too long by {found.more}" if found.more else ""


def _with_uri(node: NodeId, entry: Entry, key: str) -> dict[str, JSON]:
    """Return what a server says of a resource, with its URI in the mesh."""
    uri = MeshUri(node, entry.server, sendable(entry.name))
    return {**_cleaned(entry.told), key: str(uri)}


def _with_mesh_uris(wanted: MeshUri, result: dict[str, JSON]) -> dict[str, JSON]:
    contents = result.get("contents")
    if not isinstance(contents, list):
        return result
    return {**result, "contents": [*_contents(wanted, contents)]}


def _contents(wanted: MeshUri, contents: Sequence[JSON]) -> Iterator[JSON]:
    for one in contents:
        if isinstance(one, dict) and isinstance(uri := one.get("uri"), str):
            yield {**one, "uri": str(attrs.evolve(wanted, uri=sendable(uri)))}
        else:
            yield one


def _cleaned(told: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return what is said of a thing without characters that a person doesn't see."""
    found = dict(told)
    for key in _WORDS:
        if isinstance(words := found.get(key), str):
            found[key] = clean_text(words)
    if isinstance(arguments := found.get("arguments"), list):
        found["arguments"] = [_cleaned(one) if isinstance(one, dict) else one for one in arguments]
    return found
