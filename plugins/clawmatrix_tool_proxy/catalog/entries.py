"""What a list of tools is made of, as it goes over the mesh."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import msgspec

from clawmatrix_core import JSON, Bound, ExchangeFailure
from clawmatrix_tool_proxy.frame_types import TOOL_LIST
from clawmatrix_tool_proxy.tool import DESCRIPTION, NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import NodeId
    from clawmatrix_tool_proxy.tool import Tool

__all__ = [
    "CATALOG",
    "ENTRY",
    "TOOLS",
    "TOOL_LIST",
    "Catalog",
    "CatalogHead",
    "CatalogRequest",
    "Entry",
    "entry_of",
    "read_entry",
    "read_head",
    "version_of",
]

TOOLS = Bound(
    1024,
    "tools in the list of one other node",
    fed_by="a member",
    when_full="the list is not taken",
)
CATALOG = Bound(
    4 * 1024**2,
    "bytes of the list of tools of one other node, and 64 for each value in it",
    fed_by="a member",
    when_full="the list is not taken",
)
ENTRY: Final = 48 * 1024
"""Bytes that one entry of an own list has at most."""


class CatalogRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Asks for the list of tools; with ``follow``, also for each later one."""

    follow: bool = False


class CatalogHead(msgspec.Struct, frozen=True):
    """Begins a list: a word that changes with it, and how many entries follow."""

    version: Annotated[str, msgspec.Meta(max_length=64)]
    tools: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tool.

    Attributes:
        name: its name.
        description: what it does.
        parameters: the JSON Schema of its arguments.
        hints: what programs may want to know beforehand.
        streams: whether it writes output while it runs.
    """

    name: Annotated[str, msgspec.Meta(pattern=rf"^{NAME}\Z")]
    description: Annotated[str, msgspec.Meta(max_length=DESCRIPTION)] = ""
    parameters: dict[str, JSON] = {}
    hints: dict[str, JSON] = {}
    streams: bool = False


@attrs.frozen
class Catalog:
    """What a node lets this one call, as it last said.

    Attributes:
        peer: the name of the node.
        key: the key that it proved as it told the list; None for this node itself.
        version: a word that changes with the list.
        entries: the tools.
    """

    peer: NodeId
    key: bytes | None
    version: str
    entries: Sequence[Entry]


def entry_of(tool: Tool) -> Entry:
    """Return what a list says of a tool."""
    hints: Mapping[str, JSON] = tool.hints
    return Entry(tool.name, tool.description, dict(tool.parameters), dict(hints), tool.streams)


def version_of(entries: Sequence[Entry]) -> str:
    """Return the word of a list."""
    return hashlib.sha256(msgspec.json.encode(entries)).hexdigest()[:32]


def read_head(payload: JSON) -> CatalogHead:
    """Return the head of a list. Raises: ExchangeFailure ``bad_answer`` or ``too_large``."""
    try:
        head = msgspec.convert(payload, CatalogHead)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_answer", f"that is no list of tools: {error}") from None
    if head.tools > TOOLS:
        raise ExchangeFailure("too_large", f"a list of {head.tools} tools; {TOOLS} is the most")
    return head


def read_entry(payload: JSON) -> Entry:
    """Return an entry of a list. Raises: ExchangeFailure ``bad_answer``."""
    try:
        return msgspec.convert(payload, Entry)
    except msgspec.ValidationError as error:
        raise ExchangeFailure("bad_answer", f"that is no tool: {error}") from None
