"""What a server says of its tools, made what this node says of them. Values in, values out."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs
import msgspec

from clawmatrix_core import JSON, Bound
from clawmatrix_mcp.mounting.contents import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "ALL_BYTES",
    "ALL_TOOLS",
    "DEFINITION",
    "TOOLS",
    "Budget",
    "Definition",
    "Raw",
    "Taken",
    "mounted_name",
    "take_definitions",
]

Raw: TypeAlias = "Mapping[str, JSON]"

TOOLS = Bound(
    256,
    "tools of one mounted MCP server",
    fed_by="an upstream",
    when_full="further ones are left out, and `status` says so",
)
ALL_TOOLS = Bound(
    768,
    "tools of all mounted MCP servers",
    fed_by="an upstream",
    when_full="further ones are left out, those of the server that is named last first",
)
DEFINITION = Bound(
    40 * 1024,
    "bytes of the definition of one tool of a mounted MCP server",
    fed_by="an upstream",
    when_full="the tool is left out, and `status` says so",
)
ALL_BYTES = Bound(
    2 * 1024**2,
    "bytes of the definitions of the tools of all mounted MCP servers, and 64 for each value",
    fed_by="an upstream",
    when_full="further ones are left out, those of the server that is named last first",
)
_NAME: Final = 64
_REFUSED: Final = re.compile(r"[^A-Za-z0-9_.\-]")
_DESCRIPTION: Final = 8 * 1024
_VALUE: Final = 64
_MINE: Final = ("name", "description", "inputSchema")
"""What of a definition stands in the tool itself, and not among its hints."""
_NOTED: Final = 20
"""Tools that were left out which are named."""


def mounted_name(server: str, tool: str) -> str:
    """Return what a tool of a server is called on this node: ``SERVER_TOOL``.

    The first ``_`` ends the server's name. Where characters had to be replaced or left out, it
    ends with a digest of the whole name.
    """
    name = f"{server}_{_REFUSED.sub('_', tool)}"
    if name == f"{server}_{tool}" and len(name) <= _NAME:
        return name
    digest = hashlib.sha256(tool.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{name[: _NAME - len(digest) - 1]}-{digest}"


@attrs.frozen
class Definition:
    """One tool of a server.

    Attributes:
        name: what it is called on this node.
        tool: what it is called at its server.
        raw: all that its server says of it.
        size: what it takes of ``ALL_BYTES``.
    """

    name: str
    tool: str
    raw: Raw
    size: int

    @property
    def description(self) -> str:
        """What it does, at most as long as a tool's may be."""
        words = self.raw.get("description")
        text = words if isinstance(words, str) else ""
        return text if len(text) <= _DESCRIPTION else f"{text[: _DESCRIPTION - 1]}…"

    @property
    def parameters(self) -> Raw:
        """The JSON Schema of its arguments."""
        schema = self.raw["inputSchema"]
        assert isinstance(schema, dict)
        return schema

    @property
    def hints(self) -> dict[str, JSON]:
        """What its list entry says beside these; it never decides anything."""
        rest = {key: value for key, value in self.raw.items() if key not in _MINE}
        hints: dict[str, JSON] = {"mcp": rest}
        notes = self.raw.get("annotations")
        if isinstance(notes, dict) and isinstance(read_only := notes.get("readOnlyHint"), bool):
            hints["readOnly"] = read_only
        return hints


@attrs.frozen
class Taken:
    """What was taken of the list of a server.

    Attributes:
        definitions: its tools, in its order.
        left_out: why others were left out, by name; the first of them only.
        more: how many further ones were left out.
    """

    definitions: Sequence[Definition] = ()
    left_out: Mapping[str, str] = attrs.field(factory=dict)
    more: int = 0


@attrs.define
class Budget:
    """How much room is left for the tools of all servers."""

    tools: int = int(ALL_TOOLS)
    size: int = int(ALL_BYTES)

    def take(self, definition: Definition) -> bool:
        """Take room for a tool; say whether there was enough."""
        if self.tools < 1 or self.size < definition.size:
            return False
        self.tools -= 1
        self.size -= definition.size
        return True


def take_definitions(server: str, listed: Iterable[JSON]) -> Taken:
    """Return the tools of a server's list that this node can have.

    Of two that are called alike, the first counts, and one whose name needed no change before one
    whose name did: no tool takes the place of another by its name.
    """
    found: dict[str, Definition] = {}
    left_out: dict[str, str] = {}
    more = 0
    for raw in listed:
        tool, why, made = _examined(server, raw, len(found))
        if made is not None:
            had = found.get(made.name)
            if had is None or _is_plain(server, made) > _is_plain(server, had):
                found[made.name] = made
            if had is None:
                continue
            tool, why = (had if found[made.name] is made else made).tool, "is there twice"
        if len(left_out) < _NOTED:
            left_out[_shown(tool)] = why
        else:
            more += 1
    return Taken(tuple(found.values()), left_out, more)


def _is_plain(server: str, made: Definition) -> bool:
    return made.name == f"{server}_{made.tool}"


def _examined(server: str, raw: JSON, count: int) -> tuple[str, str, Definition | None]:
    """Return the name of a tool, and its definition or why there is none."""
    if not isinstance(raw, dict) or not isinstance(tool := raw.get("name"), str) or not tool:
        return "?", "has no name", None
    if isinstance(notes := raw.get("_meta"), dict) and REFUSED in notes:
        return tool, str(notes[REFUSED]), None
    if count >= TOOLS:
        return tool, f"{TOOLS} tools are the most", None
    schema = raw.get("inputSchema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return tool, "its inputSchema is not of an object", None
    try:
        encoded = msgspec.json.encode(raw)
    except (ValueError, RecursionError) as error:
        return tool, f"cannot be written as JSON: {error}", None
    if len(encoded) > DEFINITION:
        return tool, f"its definition has {len(encoded)} bytes; {DEFINITION} are the most", None
    values = encoded.count(b",") + encoded.count(b"[") + encoded.count(b"{")
    size = len(encoded) + _VALUE * values
    return tool, "", Definition(mounted_name(server, tool), tool, raw, size)


def _shown(name: str) -> str:
    cut = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
    return "".join(one if one.isprintable() else "?" for one in cut)
