"""The hooks that the ``tower`` plugin calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspec

if TYPE_CHECKING:
    from clawmatrix_core import Node


@hookspec
def register_chimes(node: Node) -> list[str]:
    """Name chimes. Dispatch: collect."""
    raise NotImplementedError


@hookspec
async def bell_rung(node: Node, hour: int) -> None:
    """Note that the bell rang. Dispatch: notify."""


@hookspec(firstresult=True)
async def bell_ringer(node: Node) -> str | None:
    """Name who rings. Dispatch: first."""
