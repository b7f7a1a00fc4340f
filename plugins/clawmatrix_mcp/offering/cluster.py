"""The tools that find and call others, where there are too many for one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clawmatrix_mcp.naming import clean_text
from clawmatrix_mcp.offering.results import error_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clawmatrix_core import JSON
    from clawmatrix_mcp.offering.tables import Offered, Table

__all__ = ["CLUSTER_CALL", "CLUSTER_TOOLS", "MANY", "TOOLS", "find_tools"]

MANY: Final = 128
"""Tools that one list has at most; where there are more, clients look for them."""
FOUND: Final = 40
"""Tools that one answer of ``cluster_tools`` has at most, and ``DESCRIBED`` with all details."""
DESCRIBED: Final = 20
_LINE: Final = 200

CLUSTER_TOOLS: Final = "cluster_tools"
CLUSTER_CALL: Final = "cluster_call"

_NAMES: Final[JSON] = {
    "type": "array",
    "items": {"type": "string"},
    "maxItems": DESCRIBED,
    "description": "names of tools to describe with all their arguments",
}
TOOLS: Final[tuple[dict[str, JSON], ...]] = (
    {
        "name": CLUSTER_TOOLS,
        "description": (
            "Find tools of the nodes of the mesh. There are too many to list them all: search by"
            " words, then describe those of interest by their names, and call them with"
            f" {CLUSTER_CALL}."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "words that the tool is about"},
                "node": {"type": "string", "description": "only tools of this node"},
                "names": _NAMES,
            },
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
    {
        "name": CLUSTER_CALL,
        "description": f"Call a tool that {CLUSTER_TOOLS} found.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "the name that was found"},
                "arguments": {"type": "object", "description": "as its inputSchema says"},
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    },
)


def find_tools(
    table: Table, shown: Mapping[str, Mapping[str, JSON]], arguments: Mapping[str, JSON]
) -> dict[str, JSON]:
    """Return what ``cluster_tools`` finds; ``shown`` has all definitions that clients may see."""
    query, node, names = (arguments.get(key) for key in ("query", "node", "names"))
    if not isinstance(query, str | None) or not isinstance(node, str | None):
        return _wrong("query and node are texts")
    if names is not None:
        if not isinstance(names, list) or len(names) > DESCRIBED:
            return _wrong(f"names is a list of at most {DESCRIBED} names")
        return _found([dict(shown[name]) for name in names if name in shown], 0)
    offered = [
        one
        for one in table.tools.values()
        if one.name in shown and (node is None or one.node == node)
    ]
    fitting = list(_by_fit(offered, (query or "").casefold().split()))
    lines: list[JSON] = [_line(one) for one in fitting[:FOUND]]
    return _found(lines, len(fitting) - len(lines))


def _by_fit(offered: Iterable[Offered], words: list[str]) -> Iterator[Offered]:
    """Yield the tools that have any of the words, those with most of them first."""
    scored = [(_score(one, words), one) for one in offered]
    for score, one in sorted(scored, key=lambda pair: -pair[0]):
        if score or not words:
            yield one


def _score(one: Offered, words: list[str]) -> int:
    name, text = one.name.casefold(), one.entry.description.casefold()
    return sum(3 * (word in name) + (word in text) for word in words)


def _line(one: Offered) -> JSON:
    text = clean_text(one.entry.description).strip().split("\n", 1)[0]
    return {"name": one.name, "node": one.node, "description": text[:_LINE]}


def _found(tools: list[JSON] | list[dict[str, JSON]], more: int) -> dict[str, JSON]:
    told: dict[str, JSON] = {"tools": list(tools), **({"more": more} if more else {})}
    text = msgspec.json.format(msgspec.json.encode(told), indent=1).decode()
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": told,
        "isError": False,
        "resultType": "complete",
    }


def _wrong(words: str) -> dict[str, JSON]:
    return error_result(words, {"code": "bad_arguments", "mayHaveRun": False})
