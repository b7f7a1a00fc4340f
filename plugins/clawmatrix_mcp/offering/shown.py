"""Definitions and results as a version of the protocol can carry them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakSet

import msgspec
from mcp_types import CallToolResult, InputRequiredResult
from mcp_types.methods import serialize_server_result
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError

from clawmatrix_mcp.naming import clean_text
from clawmatrix_mcp.offering.results import check_depth, error_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_mcp.offering.tables import Offered

__all__ = ["Shown", "carried", "fitting"]

_MOUNTED: Final = ("title", "outputSchema", "annotations", "icons", "execution", "_meta")
_TEXTS: Final = frozenset(("description", "title", "$comment"))
_WITHOUT_STRUCTURE: Final = ("2024-11-05", "2025-03-26")
"""Versions that know neither structured results nor links to resources."""
DEPTH: Final = 64
"""How deep lists and objects of a definition may be in each other."""


class Shown:
    """The definitions of tools, each made once for a version of the protocol."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Offered, dict[str, dict[str, JSON] | None]]
        self._made = WeakKeyDictionary()
        self._unfit: WeakSet[Offered] = WeakSet()

    def definition(self, offered: Offered, version: str) -> dict[str, JSON] | None:
        """Return the definition of a tool; None where it can't be shown to such a client."""
        made = self._made.setdefault(offered, {})
        if version not in made:
            with suppress(ValueError):
                made[version] = _definition(offered, version)
            if made.setdefault(version, None) is None:
                self._unfit.add(offered)
        return made[version]

    def unfit(self) -> Sequence[Offered]:
        """Return the tools that could not be shown to a client."""
        return list(self._unfit)


def _definition(offered: Offered, version: str) -> dict[str, JSON] | None:
    entry = offered.entry
    plain: dict[str, JSON] = {
        "name": offered.name,
        "description": clean_text(entry.description),
        "inputSchema": _cleaned({"type": "object", **entry.parameters}),
    }
    more: dict[str, JSON] = {}
    if entry.hints.get("readOnly") is True:
        more["annotations"] = {"readOnlyHint": True}
    told = offered.mounted or {}
    more |= _cleaned({key: told[key] for key in _MOUNTED if key in told})
    for extra in (more, {key: one for key, one in more.items() if key != "outputSchema"}, {}):
        if (tool := _fitting({**plain, **extra}, version)) is not None:
            return tool
    return None


def _fitting(tool: dict[str, JSON], version: str) -> dict[str, JSON] | None:
    found = fitting("tools/list", "tools", [tool], version)
    return found[0] if found else None


def fitting(
    method: str, key: str, items: Sequence[dict[str, JSON]], version: str
) -> list[dict[str, JSON]]:
    """Return the items of a list as they go out in a version; those that do not fit are left out.

    One bad item would have the SDK refuse the whole list.
    """
    found = []
    for item in items:
        listed = {key: [item], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        with suppress(ValidationError, RecursionError, ValueError):
            found += serialize_server_result(method, version, listed)[key]
    return found


def _cleaned(value: JSON, depth: int = 0) -> JSON:
    """Return a value whose descriptions and titles have no characters that nobody sees.

    Raises: ValueError, where it is nested too deep for what writes and reads it.
    """
    if depth > DEPTH:
        raise ValueError(f"nested deeper than {DEPTH}")
    if isinstance(value, dict):
        return {
            key: clean_text(one)
            if key in _TEXTS and isinstance(one, str)
            else _cleaned(one, depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(one, depth + 1) for one in value]
    return value


def carried(result: Mapping[str, JSON], version: str) -> dict[str, JSON]:
    """Return the result of an MCP server as a client of a version can be given it.

    A structured result, or a link, that the version does not know becomes text.
    """
    found = dict(result)
    if version not in MODERN_PROTOCOL_VERSIONS:
        if found.get("resultType") not in (None, "complete"):
            words = (
                "The tool asks for input before it can go on, and this client's version of MCP"
                f" ({version}) has no way to give it: that takes 2026-07-28."
            )
            return error_result(words, {"code": "input_required", "mayHaveRun": True})
        found = _for_legacy(found, version)
    try:
        check_depth(found)
        _KINDS[found.get("resultType", "complete")].model_validate(found, by_name=False)
    except (ValidationError, RecursionError, ValueError, LookupError, TypeError) as error:
        words = f"What the tool's node sent is no result of MCP: {_first_line(error)}"
        return error_result(f"{words}. The tool has run.", _BAD_ANSWER)
    return found


_KINDS: Final[Mapping[JSON, type[BaseModel]]] = {
    "complete": CallToolResult,
    "input_required": InputRequiredResult,
}
_BAD_ANSWER: Final[dict[str, JSON]] = {"code": "bad_answer", "mayHaveRun": True}


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
    return type(error).__name__


def _for_legacy(found: dict[str, JSON], version: str) -> dict[str, JSON]:
    content, structured = found.get("content"), found.get("structuredContent")
    if not isinstance(content, list):
        return found
    old = version in _WITHOUT_STRUCTURE
    if old:
        content = [_as_old(one) for one in content]
    if structured is not None and (old or not isinstance(structured, dict)):
        del found["structuredContent"]
        if not any(_says(one, structured) for one in content):
            text = msgspec.json.encode(structured).decode()
            content = [*content, {"type": "text", "text": text}]
    return {**found, "content": content}


def _as_old(block: JSON) -> JSON:
    if isinstance(block, dict) and block.get("type") == "resource_link":
        return {"type": "text", "text": msgspec.json.encode(block).decode()}
    return block


def _says(block: JSON, structured: JSON) -> bool:
    """Say whether a text has the structured result already, as servers are asked to send it."""
    if not isinstance(block, dict) or not isinstance(text := block.get("text"), str):
        return False
    try:
        return bool(msgspec.json.decode(text) == structured)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
