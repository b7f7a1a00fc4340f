"""The types of frames that open what the plugin answers."""

from __future__ import annotations

from typing import Final

__all__ = ["TOOL_LIST", "TOOL_REQUEST"]

TOOL_LIST: Final = "tool_list"
TOOL_REQUEST: Final = "tool_req"
