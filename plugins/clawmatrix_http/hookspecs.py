"""The hooks that the ``http`` plugin calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspec

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_http.api import HttpRoute


@hookspec
def register_http_routes(node: Node) -> list[HttpRoute]:
    """Add routes to the node's local HTTP server.

    Called by the ``http`` plugin as it starts. Dispatch: collect.
    """
    raise NotImplementedError
