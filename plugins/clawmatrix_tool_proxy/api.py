"""What hosts and other plugins use of tools: making them, and calling those of other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.asking.calling import RemoteCall, ToolResult, call_tool
from clawmatrix_tool_proxy.asking.failures import ToolFailed
from clawmatrix_tool_proxy.catalog.entries import Catalog, Entry
from clawmatrix_tool_proxy.functions import tool
from clawmatrix_tool_proxy.pinning.pins import Judged, NotWaiting, Pins
from clawmatrix_tool_proxy.pinning.table import PinsFull
from clawmatrix_tool_proxy.process import GuardedProcess, ProcessEnded
from clawmatrix_tool_proxy.registry import (
    HasTools,
    list_tools,
    pins_of,
    tools_changed,
    when_lists_change,
)
from clawmatrix_tool_proxy.serving.caller import Caller
from clawmatrix_tool_proxy.serving.denials import Denials, denied_by
from clawmatrix_tool_proxy.tool import Arguments, Run, Tool, ToolCall, ToolError
from clawmatrix_tool_proxy.wire import Cut, ErrorOutput, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core import Node

__all__ = [
    "Arguments",
    "Caller",
    "Catalog",
    "Cut",
    "Denials",
    "Entry",
    "ErrorOutput",
    "GuardedProcess",
    "HasTools",
    "Judged",
    "NotWaiting",
    "Pins",
    "PinsFull",
    "ProcessEnded",
    "Progress",
    "RemoteCall",
    "Run",
    "Tool",
    "ToolCall",
    "ToolError",
    "ToolFailed",
    "ToolResult",
    "call_tool",
    "denied_by",
    "guarded_process",
    "list_tools",
    "marks_in",
    "max_output",
    "pins_of",
    "tool",
    "tools_changed",
    "when_lists_change",
]


def guarded_process(
    node: Node,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: str | None = None,
    confined: bool,
) -> AbstractAsyncContextManager[GuardedProcess]:
    """Keep a process running under a guard, as an ``async with`` block.

    At the end of the block, and where the node is killed, nothing of the process is left. It has
    an environment of its own: PATH, LANG, HOME, and ``env``.

    Args:
        node: the node.
        argv: the arguments; the program first, as a name in PATH or a whole path.
        env: variables that it gets, with their values.
        folder: where it starts: a whole path, home unless given; for one that is confined a
            folder of a root, ``ROOT/relative``, its private folder unless given.
        confined: whether it is held in as commands of the tool ``exec`` are, with the roots and
            the network of ``[tool-proxy.exec]``.

    Raises: ProcessEnded, where it cannot start; OSError, where no guard can.
    """
    from clawmatrix_tool_proxy.guarded import run_guarded  # most nodes do without

    return run_guarded(node.config, argv, env, folder, confined=confined)


def marks_in(data: bytes, enough: int) -> int:
    """Return how many values a text of JSON has at most, those in its strings aside.

    Where marks in strings bring it to no more than ``enough``, they are counted too.
    """
    from clawmatrix_tool_proxy import json_marks  # most nodes do without

    return json_marks.marks_in(data, enough)


def max_output(node: Node) -> int:
    """Return how many bytes a result of a tool of this node may have."""
    from clawmatrix_tool_proxy.config import ToolProxyConfig  # as the plugin's own hooks do

    return int(node.config.section(ToolProxyConfig).max_output)
