"""What hosts and other plugins use of tools: making them, and calling those of other nodes."""

from __future__ import annotations

from clawmatrix_tool_proxy.asking.calling import RemoteCall, ToolResult, call_tool
from clawmatrix_tool_proxy.asking.failures import ToolFailed
from clawmatrix_tool_proxy.functions import tool
from clawmatrix_tool_proxy.pinning.pins import Judged, NotWaiting, Pins
from clawmatrix_tool_proxy.pinning.table import PinsFull
from clawmatrix_tool_proxy.registry import (
    Catalog,
    Entry,
    HasTools,
    list_tools,
    pins_of,
    tools_changed,
    when_lists_change,
)
from clawmatrix_tool_proxy.tool import Arguments, Run, Tool, ToolCall, ToolError
from clawmatrix_tool_proxy.wire import Cut, ErrorOutput, Progress

__all__ = [
    "Arguments",
    "Catalog",
    "Cut",
    "Entry",
    "ErrorOutput",
    "HasTools",
    "Judged",
    "NotWaiting",
    "Pins",
    "PinsFull",
    "Progress",
    "RemoteCall",
    "Run",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolFailed",
    "ToolResult",
    "call_tool",
    "list_tools",
    "pins_of",
    "tool",
    "tools_changed",
    "when_lists_change",
]
