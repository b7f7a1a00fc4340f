"""The tools as other nodes call them."""

from __future__ import annotations

import binascii
import re
import time
from base64 import b64decode
from typing import TYPE_CHECKING, Annotated, Final

import anyio.from_thread
import attrs
import msgspec

from clawmatrix_core import JSON, Bound
from clawmatrix_tool_proxy.files.globs import Glob
from clawmatrix_tool_proxy.files.listing import LISTED, Listing, list_roots
from clawmatrix_tool_proxy.files.matching import Expression, Finder, PlainText
from clawmatrix_tool_proxy.files.paths import RootPath, canonical_path
from clawmatrix_tool_proxy.files.reading import ReadBytes, ReadLines
from clawmatrix_tool_proxy.files.searching import MATCHES, Search
from clawmatrix_tool_proxy.files.text import utf8
from clawmatrix_tool_proxy.files.threads import FILES, SEARCHES, Threads
from clawmatrix_tool_proxy.files.tree import DEPTH, Tree
from clawmatrix_tool_proxy.files.writing import edit_file, write_file
from clawmatrix_tool_proxy.functions import tool
from clawmatrix_tool_proxy.tool import Arguments, Tool, ToolCall, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_tool_proxy.files.roots import Roots

__all__ = ["SECONDS", "FileTools"]

SECONDS = Bound(
    25,
    "seconds that one call of `list` or `search` looks around",
    fed_by="a member",
    when_full="the call ends with what it has found, and its result says so",
)
_LISTED: Final = 1000
_MATCHES: Final = 200

_LARGEST: Final = 2**53
"""The largest number that a caller may give; no system call fails by it."""

Natural = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]


class FileTools:
    """Reads and writes files in the roots, for other nodes."""

    def __init__(self, roots: Roots, max_output: Callable[[], int]) -> None:
        """Make them; ``max_output`` says how many bytes of output and result a call may have."""
        self._roots = roots
        self._max_output = max_output
        self._files, self._searches = Threads(FILES), Threads(SEARCHES)

    def tools(self) -> Sequence[Tool]:
        """Return the tools."""
        reads = {"readOnly": True}
        made = (
            tool(self.read, canonical=_canonical, hints=reads),
            tool(self.write, canonical=_canonical),
            tool(self.edit, canonical=_canonical),
            tool(self.list, canonical=_canonical_or_all, hints=reads),
            tool(self.search, canonical=_canonical, hints=reads),
        )
        # It reads the text of the path, and no file: a thread would take longer.
        return [attrs.evolve(each, canonical_blocks=False) for each in made]

    async def read(
        self,
        call: ToolCall,
        path: str,
        offset: Offset | None = None,
        limit: Natural | None = None,
        binary: bool = False,
    ) -> JSON:
        """Read a file. The output is what is in it; the result says where to read on, if anywhere.

        Args:
            path: The file, as ROOT/relative.
            offset: The first line to read, from 1; with binary the first byte, from 0.
            limit: How many lines to read; with binary how many bytes.
            binary: Whether to read bytes of a file that may be no text.
        """
        at, most = RootPath.parse(path), self._max_output()
        if binary:
            reading: ReadBytes | ReadLines = ReadBytes(
                self._roots, at, offset or 0, min(most, limit or most)
            )
        else:
            reading = ReadLines(self._roots, at, max(offset or 1, 1), most, limit)
        await self._files.pump(reading, call.write)
        return reading.facts

    async def write(
        self, path: str, content: str, parents: bool = False, base64: bool = False
    ) -> JSON:
        """Make a file, or replace all of one, at one stroke.

        Args:
            path: The file, as ROOT/relative.
            content: All of the file.
            parents: Whether to make the folders on the way.
            base64: Whether content is bytes in base64, and not text.
        """
        data = _decoded(content) if base64 else utf8(content, "content")
        at = RootPath.parse(path)
        return await self._files.run(lambda: write_file(self._roots, at, data, parents=parents))

    async def edit(self, path: str, old: str, new: str, all: bool = False) -> JSON:
        """Replace a text in a file by another one; encoding and line ends stay as they are.

        Args:
            path: The file, as ROOT/relative.
            old: The text to replace, exactly as it is in the file; it has to be there once.
            new: The text to put in its place.
            all: Whether to replace the text wherever it is.
        """
        at = RootPath.parse(path)
        return await self._files.run(lambda: edit_file(self._roots, at, old, new, every=all))

    async def list(
        self,
        path: str = "",
        depth: Natural | None = None,
        pattern: str | None = None,
        ignored: bool = False,
        limit: Natural = _LISTED,
    ) -> JSON:
        """List a folder, or the roots where no path is given.

        Args:
            path: The folder, as ROOT/relative.
            depth: How many folders deep to list: 1 is the folder alone, and the default; with a
                pattern all are.
            pattern: What entries have to match, such as *.py or src/**/*.md.
            ignored: Whether to enter .git, and folders that .gitignore leaves out.
            limit: How many entries to give.
        """
        if not path:
            return await self._files.run(lambda: list_roots(self._roots))
        glob = None if pattern is None else Glob.parse(pattern)
        deep = min(depth or (1 if glob is None else DEPTH), DEPTH)
        most, size = min(limit, LISTED), self._max_output()
        tree = self._tree(deep, ignored=ignored)
        listing = Listing(self._roots, RootPath.parse(path), tree, most, size, glob)
        await self._files.pump(listing)
        return listing.facts

    async def search(
        self,
        call: ToolCall,
        path: str,
        pattern: str,
        regex: bool = False,
        ignore_case: bool = False,
        glob: str | None = None,
        ignored: bool = False,
        limit: Natural = _MATCHES,
    ) -> JSON:
        """Search the lines of a file, or of all files in a folder and below.

        The output has a line ``ROOT/path:line: text`` for each match; the result has counts.

        Args:
            path: The file or folder, as ROOT/relative.
            pattern: The text to search for.
            regex: Whether the pattern is a regular expression of Python.
            ignore_case: Whether small and large letters are the same.
            glob: What the paths of files have to match, such as *.py or src/**/*.md.
            ignored: Whether to search .git, and what .gitignore leaves out.
            limit: How many matches to give.
        """
        finder = _finder(pattern, regex=regex, ignore_case=ignore_case)
        names = None if glob is None else Glob.parse(glob)
        tree = self._tree(DEPTH, ignored=ignored)
        most, size = min(limit, MATCHES), self._max_output()
        search = Search(self._roots, RootPath.parse(path), tree, finder, most, size, names)
        await self._searches.pump(search, call.write)
        return search.facts

    def _tree(self, depth: int, *, ignored: bool) -> Tree:
        return Tree(depth, time.monotonic() + SECONDS, time.monotonic, ignored=ignored)


def _canonical(arguments: Arguments) -> Arguments:
    return {**arguments, "path": canonical_path(arguments["path"])}


def _canonical_or_all(arguments: Arguments) -> Arguments:
    return _canonical(arguments) if arguments["path"] else arguments


def _decoded(content: str) -> bytes:
    try:
        return b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise ToolError("content is not base64", "bad_arguments") from None


def _finder(pattern: str, *, regex: bool, ignore_case: bool) -> Finder:
    plain = PlainText.of(pattern) if not regex else None
    if plain is not None and not ignore_case:
        return plain
    expression = pattern if regex else re.escape(pattern)
    check = anyio.from_thread.check_cancelled
    return Expression(expression, ignore_case=ignore_case, check=check)
