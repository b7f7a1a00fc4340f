"""The hook that the ``tool-proxy`` plugin calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Node
    from clawmatrix_tool_proxy.api import Tool


@hookspec
def register_tools(node: Node) -> Sequence[Tool]:
    """Add tools that other nodes may call, where ``[tool-proxy] allow`` exposes them.

    Called by the ``tool-proxy`` plugin as the node starts, after a reload of its table, and when
    ``tools_changed`` of its ``api`` is called. Of two tools with one name, that of the plugin
    that was loaded first counts. Dispatch: collect.
    """
    raise NotImplementedError
