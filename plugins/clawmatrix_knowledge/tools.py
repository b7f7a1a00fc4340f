"""The tools with which agents on other nodes use workspaces of this one without a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from clawmatrix_knowledge.files.tree import Changed
from clawmatrix_knowledge.paths import PathError, check_path
from clawmatrix_tool_proxy.api import ToolCall, ToolError, tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, Node
    from clawmatrix_knowledge.files.scanning import Seen
    from clawmatrix_knowledge.syncing.keeper import Keeper
    from clawmatrix_knowledge.syncing.workspace import Workspace
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["KnowledgeTools"]

LISTED: Final = 1000
"""Files that one answer lists at most."""
FOUND: Final = 200
"""Lines that one search returns at most."""
READ: Final = 256 * 1024
"""Bytes that one read returns at most."""
SEARCHED: Final = 4 * 1024**2
"""Bytes of a file over which a search leaves it out."""
LINE: Final = 400
"""Characters of a line that a search shows at most."""
SECONDS: Final = 20.0
"""How long a search may take; it returns what it found until then."""
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
        start = f"{folder.strip('/')}/" if folder.strip("/") else ""
        paths = sorted(path for path in files if path.startswith(start))
        first = max(offset, 0)
        part = paths[first : first + LISTED]
        shown = [_about(path, files[path]) for path in part]
        return {"files": shown, "total": len(paths), "more": first + len(part) < len(paths)}

    async def _read(
        self, call: ToolCall, workspace: str, path: str, offset: int = 0, limit: int = READ
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
        skipped, whole = 0, False
        with anyio.move_on_after(SECONDS):
            for name in granted:
                space = self._keepers[name].space
                if space is not None:
                    skipped += await _search_in(space, name, folder, text, found)
            whole = len(found) < FOUND
        gone = {name for name in granted if not await self._may(call, name)}  # revoked meanwhile
        found = [one for one in found if one["workspace"] not in gone]
        return {"found": found, "notRead": skipped, "more": not whole}

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


async def _search_in(
    space: Workspace, name: str, folder: str, text: str, found: list[dict[str, object]]
) -> int:
    """Add the lines of a workspace that have a text; return how many files were not read."""
    start = f"{folder.strip('/')}/" if folder.strip("/") else ""
    skipped = 0
    for path, seen in sorted(space.seen.items()):
        if len(found) >= FOUND:
            break
        if not path.startswith(start):
            continue
        if seen.stat.size > SEARCHED:
            skipped += 1
            continue
        try:
            data = b"".join([part async for part in space.read_file(path, seen.stat)])
        except (Changed, OSError):
            skipped += 1
            continue
        if b"\0" in data[:_HEAD]:
            continue
        lines = await anyio.to_thread.run_sync(_matching, data, text, FOUND - len(found))
        found += [
            {"workspace": name, **_about(path, seen), "line": line, "text": shown}
            for line, shown in lines
        ]
    return skipped


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
