"""The check of model ids that begin with the name of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_core import NodeId
    from clawmatrix_model_proxy.asking.catalog import Catalog

__all__ = ["name_checks"]

_NAME = "model-proxy.names"
_SHOWN = 3
"""Ids of one node that are shown; the rest is counted."""


def name_checks(own: NodeId, catalog: Callable[[], Catalog]) -> list[Check]:
    """Return the check of a running node's catalog; ``own`` is the node."""

    async def look() -> Sequence[Finding]:
        found = list(_findings(own, catalog()))
        return found or [Finding(_NAME, "ok", "no model's id begins with another node's name")]

    return [Check(_NAME, look)]


def _findings(own: NodeId, catalog: Catalog) -> Iterator[Finding]:
    for node, ids in sorted(catalog.left_out.items()):
        shown = ", ".join(ids[:_SHOWN])
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        if node == own:
            detail = f"{shown}{more}: begins with another node's name, which decides who is asked"
            advice = f"ask for {own}/{ids[0]}, or choose another id"
        else:
            detail = f"{node} offers {shown}{more}, which begins with another node's name"
            advice = f"it is neither listed nor asked, not as {node}/{ids[0]} either"
        yield Finding(_NAME, "warning", detail, f"{advice}. {_PUBLISHER}")


_PUBLISHER = "Where the first part is a publisher, write it into [model-proxy] publishers"
