"""An MCP server on standard input and output with one tool, for agents that run such."""

from __future__ import annotations

import json
import sys
from typing import Any

ORACLE = {
    "name": "oracle",
    "description": "Says the secret word.",
    "inputSchema": {"type": "object", "properties": {}},
    "annotations": {"readOnlyHint": True},
}


def result(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "words", "version": "1"},
            }
        case "tools/list":
            return {"tools": [ORACLE]}
        case "tools/call":
            return {"content": [{"type": "text", "text": "the secret word is ibis"}]}
    return {}


for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked and "method" in asked:
        answer = {"id": asked["id"], "result": result(asked["method"], asked.get("params") or {})}
        print(json.dumps({"jsonrpc": "2.0", **answer}), flush=True)
