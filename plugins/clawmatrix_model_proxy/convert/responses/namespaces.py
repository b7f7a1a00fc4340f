"""Namespaces of tools, for which no other API has a place.

A tool goes out under a name made of both parts, and its calls come back in two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_model_proxy.neutral.request import Tool

__all__ = ["joined", "parted"]

_BETWEEN = "__"


def joined(namespace: str, name: str) -> str:
    """Return the whole name of a tool; ``namespace`` may be empty."""
    return f"{namespace}{_BETWEEN}{name}" if namespace else name


def parted(tools: Iterable[Tool]) -> dict[str, tuple[str, str]]:
    """Return both parts of the name of each tool in a namespace, by its whole name."""
    return {
        tool.name: (tool.namespace, tool.name.removeprefix(joined(tool.namespace, "")))
        for tool in tools
        if tool.namespace
    }
