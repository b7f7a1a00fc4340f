"""The tools with which agents on other nodes use workspaces of this one without a copy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from clawmatrix_core import Bound
from clawmatrix_knowledge.files.tree import Changed
from clawmatrix_knowledge.paths import PathError, check_path
from clawmatrix_tool_proxy.api import ToolCall, ToolError, tool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from clawmatrix_core import JSON, Node
    from clawmatrix_knowledge.files.scanning import Seen
    from clawmatrix_knowledge.syncing.keeper import Keeper
    from clawmatrix_knowledge.syncing.workspace import Workspace
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["KnowledgeTools"]

LISTED = Bound(
    1000,
    "files that one answer of `knowledge_list` names",
    fed_by="a member",
    when_full="the answer says that there are more, and `offset` goes on",
)
FOUND = Bound(
    200,
    "lines that one answer of `knowledge_search` shows",
    fed_by="a member",
    when_full="the search ends, and its answer says that there are more",
)
READ = Bound(
    256 * 1024,
    "bytes of a file that one answer of `knowledge_read` has",
    fed_by="a member",
    when_full="the answer says that there are more, and `offset` goes on",
)
SEARCHED = Bound(
    4 * 1024**2,
    "bytes of a file that `knowledge_search` reads",
    fed_by="a member",
    when_full="the file is left out, and the answer counts it",
)
LINE = Bound(
    400,
    "characters of a line that `knowledge_search` shows",
    fed_by="a member",
    when_full="the line is cut",
)
SECONDS: Final = 20.0
"""How long a search may take; it returns what it found until then."""
AGAIN: Final = 1.0
"""Seconds after which a search asks again, between two files, whether the caller still may."""
_HEAD: Final = 8192


class KnowledgeTools:
    """The tools of a node.

    Args:
        node: asks the policy.
        keepers: the workspaces, by name.
    """

    def __init__(self, node: Node, keepers: Mapping[str, Keeper]) -> None:
        self._node, self._keepers = node, keepers

    def all(self) -> list[Tool]:
        """Return them."""
        hints: Mapping[str, JSON] = {"readOnly": True}
        return [
            tool(self._list, name="knowledge_list", hints=hints),
            tool(self._read, name="knowledge_read", hints=hints),
            tool(self._search, name="knowledge_search", hints=hints),
        ]

    async def _list(
        self, call: ToolCall, workspace: str | None = None, folder: str = "", offset: int = 0
    ) -> dict[str, object]:
        """List the files of a shared workspace, or the workspaces where none is named.

        Args:
            workspace: the name of the workspace.
            folder: a folder in it; the whole workspace unless given.
            offset: how many files to leave out, to go on with a long list.
        """
        if workspace is None:
            names = [name for name in sorted(self._keepers) if await self._may(call, name)]
            return {"workspaces": names}
        files = (await self._space(call, workspace)).seen
        paths = await anyio.to_thread.run_sync(_below, list(files), folder)
        first = max(offset, 0)
        part = paths[first : first + LISTED]
        shown = [_about(path, seen) for path in part if (seen := files.get(path)) is not None]
        return {"files": shown, "total": len(paths), "more": first + len(part) < len(paths)}

    async def _read(
        self, call: ToolCall, workspace: str, path: str, offset: int = 0, limit: int = int(READ)
    ) -> dict[str, object]:
        """Read a text file of a shared workspace.

        Args:
            workspace: the name of the workspace.
            path: the file.
            offset: the byte to begin at.
            limit: how many bytes to return; at most 262144.
        """
        space = await self._space(call, workspace)
        seen = _seen(space, path)
        first, end = max(offset, 0), max(offset, 0) + min(max(limit, 0), READ)
        data, at, lines = bytearray(), 0, 1
        try:
            async for part in space.read_file(path, seen.stat):
                if at == 0 and b"\0" in part[:_HEAD]:
                    return {**_about(path, seen), "binary": True}
                lines += part[: max(0, first - at)].count(b"\n")
                data += part[max(0, first - at) : max(0, end - at)]
                at += len(part)
                if at >= end:
                    break
        except (Changed, OSError):
            raise _changed(path) from None
        await self._space(call, workspace)  # a long read may outlast the grant
        text = data.decode("utf-8", "replace")
        more = first + len(data) < seen.stat.size
        return {**_about(path, seen), "line": lines, "text": text, "more": more}

    async def _search(
        self, call: ToolCall, text: str, workspace: str | None = None, folder: str = ""
    ) -> dict[str, object]:
        """Search the text files of shared workspaces for a plain text, in any case of letters.

        Args:
            text: what to look for, within one line.
            workspace: the name of the workspace; all of them unless given.
            folder: a folder in it.
        """
        if not text or "\n" in text:
            raise ToolError("text: expected a text of one line", "bad_arguments", began=False)
        if workspace is None:
            granted = [name for name in sorted(self._keepers) if await self._may(call, name)]
        else:
            await self._space(call, workspace)
            granted = [workspace]
        found: list[dict[str, object]] = []
        skipped = dict.fromkeys(granted, 0)
        whole = False
        with anyio.move_on_after(SECONDS):
            for name in granted:
                space = self._keepers[name].space
                if space is not None:
                    search = _Search(space, name, text, partial(self._may, call, name))
                    skipped[name] = await search.run(folder, found)
            whole = len(found) < FOUND
        gone = {name for name in granted if not await self._may(call, name)}  # revoked meanwhile
        found = [one for one in found if one["workspace"] not in gone]
        left = sum(count for name, count in skipped.items() if name not in gone)
        return {"found": found, "notRead": left, "more": not whole}

    async def _may(self, call: ToolCall, name: str) -> bool:
        verdict = await self._node.authorize(call.peer, call.key, "workspace", name, None)
        return verdict.effect == "allow"

    async def _space(self, call: ToolCall, name: str) -> Workspace:
        """Return a workspace. Raises: ToolError, the same where it is not there and not granted."""
        may = await self._may(call, name)  # asked always, so that both take as long
        keeper = self._keepers.get(name)
        if keeper is None or not may:
            raise ToolError("there is no such workspace", "not_found", began=False)
        if keeper.space is None:
            raise ToolError("the workspace is not open now", "not_open", began=False)
        return keeper.space


class _Search:
    """A search of one workspace, which ends when the caller may not have it any more."""

    def __init__(
        self, space: Workspace, name: str, text: str, may: Callable[[], Awaitable[bool]]
    ) -> None:
        self._space, self._name, self._text, self._may = space, name, text, may
        self._asked = anyio.current_time()

    async def run(self, folder: str, found: list[dict[str, object]]) -> int:
        """Add the lines that have the text; return how many files were not read."""
        files, skipped = self._space.seen, 0
        for path in await anyio.to_thread.run_sync(_below, list(files), folder):
            if len(found) >= FOUND or not await self._goes_on():
                break
            seen = files.get(path)
            if seen is None:  # it went meanwhile
                continue
            lines = await self._look(path, seen, FOUND - len(found))
            skipped += lines is None
            about = {"workspace": self._name, **_about(path, seen)}
            found += [{**about, "line": line, "text": shown} for line, shown in lines or ()]
        return skipped

    async def _goes_on(self) -> bool:
        await anyio.lowlevel.checkpoint()
        if anyio.current_time() - self._asked < AGAIN:
            return True
        may = await self._may()
        self._asked = anyio.current_time()
        return may

    async def _look(self, path: str, seen: Seen, most: int) -> Sequence[tuple[int, str]] | None:
        """Return the lines of a file that have the text; None where it was not read."""
        if seen.stat.size > SEARCHED:
            return None
        try:
            data = b"".join([part async for part in self._space.read_file(path, seen.stat)])
        except (Changed, OSError):
            return None
        if b"\0" in data[:_HEAD]:
            return ()
        return await anyio.to_thread.run_sync(_matching, data, self._text, most)


def _below(paths: Sequence[str], folder: str) -> Sequence[str]:
    """Return the paths in a folder, sorted. It takes long where there are many."""
    start = f"{folder.strip('/')}/" if folder.strip("/") else ""
    return sorted(path for path in paths if path.startswith(start))


def _matching(data: bytes, text: str, most: int) -> list[tuple[int, str]]:
    wanted, matches = text.casefold(), []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if wanted in line.casefold():
            matches.append((number, line[:LINE]))
            if len(matches) >= most:
                break
    return matches


def _seen(space: Workspace, path: str) -> Seen:
    try:
        check_path(path)
        return space.seen[path]
    except (PathError, KeyError):
        raise ToolError("there is no such file", "not_found", began=False) from None


def _changed(path: str) -> ToolError:
    return ToolError(f"{path} changed just now: read it again", "changed")


def _about(path: str, seen: Seen) -> dict[str, object]:
    return {
        "path": path,
        "version": seen.version,
        "size": seen.stat.size,
        "mtime": seen.stat.mtime / 1e9,
    }
