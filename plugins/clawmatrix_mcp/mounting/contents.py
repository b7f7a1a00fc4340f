"""What a server lists: its tools, resources, templates of resources, and prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs

from clawmatrix_core import JSON, Bound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CAPABILITIES", "KINDS", "LISTED", "MODERN", "REFUSED", "About", "Contents", "Kind"]

Kind: TypeAlias = Literal["tools", "resources", "templates", "prompts"]

LISTED = Bound(
    1024,
    "resources, templates or prompts of one mounted MCP server",
    fed_by="an upstream",
    when_full="further ones are left out",
)
_TOOLS: Final = 1024
"""Tools that are read of a list, so that those left out can be named."""

MODERN: Final = "2026-07-28"
"""The version of MCP from which on each request stands for itself."""
CAPABILITIES: Final = "org.clawmatrix/capabilities"
"""Where in the ``_meta`` of a request the capabilities stand of the client that it is for."""
REFUSED: Final = "org.clawmatrix/refused"
"""Where in the ``_meta`` of a tool it stands why the SDK refuses it."""


@attrs.frozen
class About:
    """How a server is asked for a kind of things.

    Attributes:
        method: the request.
        key: where they stand in the result.
        capability: which capability a server with such things has.
        most: how many are taken.
    """

    method: str
    key: str
    capability: str
    most: int = int(LISTED)


KINDS: Final[Mapping[Kind, About]] = {
    "tools": About("tools/list", "tools", "tools", _TOOLS),
    "resources": About("resources/list", "resources", "resources"),
    "templates": About("resources/templates/list", "resourceTemplates", "resources"),
    "prompts": About("prompts/list", "prompts", "prompts"),
}


@attrs.frozen
class Contents:
    """What a server has, each thing as it lists it."""

    tools: Sequence[JSON] = ()
    resources: Sequence[JSON] = ()
    templates: Sequence[JSON] = ()
    prompts: Sequence[JSON] = ()

    def with_list(self, kind: Kind, things: Sequence[JSON]) -> Contents:
        """Return the same with another list of a kind."""
        return attrs.evolve(self, **{kind: things})
