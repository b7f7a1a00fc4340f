"""The tools that find and call others, where there are too many for one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread
import msgspec

from clawmatrix_mcp.naming import clean_text
from clawmatrix_mcp.offering.results import error_result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_mcp.offering.tables import Offered, Table

__all__ = ["CLUSTER_CALL", "CLUSTER_TOOLS", "MANY", "TOOLS", "find_tools"]

MANY: Final = 128
"""Tools that one list has at most; where there are more, clients look for them."""
FOUND: Final = 40
"""Tools that one answer of ``cluster_tools`` has at most, and ``DESCRIBED`` with all details."""
DESCRIBED: Final = 20
WORDS: Final = 16
"""Words of a search that are looked for."""
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


async def find_tools(
    table: Table, shown: Callable[[Offered], JSON], arguments: Mapping[str, JSON]
) -> dict[str, JSON]:
    """Return what ``cluster_tools`` finds; ``shown`` returns a definition as clients may see it."""
    query, node, names = (arguments.get(key) for key in ("query", "node", "names"))
    if not isinstance(query, str | None) or not isinstance(node, str | None):
        return _wrong("query and node are texts")
    if names is not None:
        if not _are_few(names):
            return _wrong(f"names is a list of at most {DESCRIBED} names")
        wanted = [table.tools[name] for name in names if name in table.tools]
        return _found([one for one in map(shown, wanted) if one is not None], 0)
    every = [one for one in table.tools.values() if node in (None, one.node)]
    words = (query or "").casefold().split()[:WORDS]
    fitting = await anyio.to_thread.run_sync(_by_fit, every, words)
    lines = [_line(one) for one in fitting[:FOUND] if shown(one) is not None]
    return _found(lines, len(fitting) - len(lines))


def _are_few(names: JSON) -> bool:
    return (
        isinstance(names, list)
        and len(names) <= DESCRIBED
        and all(isinstance(name, str) for name in names)
    )


def _by_fit(offered: Sequence[Offered], words: Sequence[str]) -> Sequence[Offered]:
    """Return the tools that have any of the words, those with most of them first."""
    if not words:
        return offered
    scored = [(_score(one, words), one) for one in offered]
    return [one for score, one in sorted(scored, key=lambda pair: -pair[0]) if score]


def _score(one: Offered, words: Sequence[str]) -> int:
    name, text = one.name.casefold(), one.entry.description.casefold()
    return sum(3 * (word in name) + (word in text) for word in words)


def _line(one: Offered) -> JSON:
    text = clean_text(one.entry.description).strip().split("\n", 1)[0]
    return {"name": one.name, "node": one.node, "description": text[:_LINE]}


def _found(tools: Sequence[JSON], more: int) -> dict[str, JSON]:
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
