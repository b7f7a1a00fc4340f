"""The types of frames that open exchanges about resources and prompts."""

from __future__ import annotations

from typing import Final

__all__ = ["FRAME_TYPES", "MCP_LIST", "MCP_PROMPT", "MCP_READ"]

MCP_LIST: Final = "mcp_list"
MCP_READ: Final = "mcp_read"
MCP_PROMPT: Final = "mcp_prompt"
FRAME_TYPES: Final = (MCP_LIST, MCP_READ, MCP_PROMPT)
