"""What ``clawmatrix status`` says of mounted servers. Values in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON

__all__ = ["lines_of"]


def lines_of(status: JSON) -> list[str]:
    """Return a line for each server, and more for what it has that is not listed."""
    return [line for name, one in status["servers"].items() for line in _lines(name, one)]


def _lines(name: str, one: JSON) -> Iterator[str]:
    tools = "1 tool" if one["tools"] == 1 else f"{one['tools']} tools"
    yield f"mcp {name}: {one['told']}, {tools}"
    if waiting := one.get("waiting"):
        shown = ", ".join(f"{tool} ({why})" for tool, why in sorted(waiting.items())[:8])
        more = f" and {len(waiting) - 8} more" if len(waiting) > 8 else ""
        yield f"  waits for `clawmatrix tools accept {name}`: {shown}{more}"
    for tool, why in one.get("left_out", {}).items():
        yield f"  left out: {tool}: {why}"
    if one.get("more_left_out"):
        yield f"  and {one['more_left_out']} more are left out"
