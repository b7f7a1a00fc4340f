"""Looks at each thing of a list by itself, where the SDK refuses the whole list for one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp_types.methods import validate_server_result
from pydantic import ValidationError

from clawmatrix_mcp.mounting.contents import REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import JSON
    from clawmatrix_mcp.mounting.contents import About

__all__ = ["screened"]

_WORDS: Final = 200


def screened(about: About, version: str, things: Sequence[JSON]) -> list[JSON]:
    """Return the things of a list that a version of MCP can have.

    A tool with an invalid definition is replaced by an entry that says why, so that ``status`` can
    name it. Invalid resources, templates and prompts are left out.
    """
    found: list[JSON] = []
    for thing in things:
        if (why := _why_not(about, version, thing)) is None:
            found.append(thing)
        elif about.key == "tools":
            found.append(_refused(thing, why))
    return found


def _why_not(about: About, version: str, thing: JSON) -> str | None:
    listed = {about.key: [thing], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    try:
        validate_server_result(about.method, version, listed)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"][2:]))  # behind the list and the number in it
        return f"is no tool of MCP: {where}: {first['msg']}"[:_WORDS]
    return None


def _refused(thing: JSON, why: str) -> JSON:
    name = thing.get("name") if isinstance(thing, dict) else None
    return {
        "name": name if isinstance(name, str) else "",
        "inputSchema": {"type": "object"},
        "_meta": {REFUSED: why},
    }
