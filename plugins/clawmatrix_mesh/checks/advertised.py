"""The check of the addresses that this node advertises: do others dial them at all?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from clawmatrix_core import Check, Finding, shown_address
from clawmatrix_mesh.addresses import check_advertised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_mesh.config import MeshConfig

__all__ = ["advertised_checks"]

_NAME = "mesh.advertise"
_ADVICE = "correct it in [mesh] advertise, or put it into [mesh] peers of the nodes that need it"


def advertised_checks(config: MeshConfig) -> list[Check]:
    """Return the check, where addresses are advertised."""
    named = config.advertise
    if not named:
        return []

    async def addresses() -> Sequence[Finding]:
        await checkpoint()
        return [_look(address) for address in named]

    return [Check(_NAME, addresses)]


def _look(address: str) -> Finding:
    shown = shown_address(address)
    try:
        check_advertised(address)
    except ValueError as error:
        return Finding(_NAME, "problem", f"{shown}: no node dials it: {error}", _ADVICE)
    return Finding(_NAME, "ok", f"{shown} is one that others may dial")
