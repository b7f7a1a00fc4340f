"""The hooks that the ``grants`` plugin calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspec

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_grants.api import ApprovalRequest, ToolShape


@hookspec
def register_tool_shapes(node: Node) -> list[ToolShape]:
    """Tell which tools there are, so that rules about unknown tools and arguments are noticed.

    Called by the ``grants`` plugin for ``config check``, ``doctor``, a reload and ``clawmatrix
    grants check``, also where the node does not run. Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
async def approval_requested(node: Node, request: ApprovalRequest) -> None:
    """Note that a call waits for a person of this node to approve it.

    Called by the ``grants`` plugin once for each such call, beside the call, which waits
    meanwhile. What an implementation does approves nothing: only the control socket does.
    Dispatch: notify.
    """
