"""What hosts and other plugins use of tools: making them, and calling those of other nodes."""

from __future__ import annotations

from clawmatrix_tool_proxy.functions import tool
from clawmatrix_tool_proxy.tool import Arguments, Tool, ToolCall, ToolError

__all__ = ["Arguments", "Tool", "ToolCall", "ToolError", "tool"]
