"""An MCP server over its input and output, in the standard library: what stands behind the peers.

``server.py NOTES``: what it sees goes to the file NOTES, one JSON object a line. It starts one more
process in a session of its own, which ends after two minutes: servers do so, by `npx` and the like.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

TOOLS: list[dict[str, Any]] = [
    {
        "name": "echo",
        "description": "Give back what comes.",
        "inputSchema": {"type": "object", "properties": {"value": {"type": "string"}}},
    },
    {"name": "steps", "description": "Go in steps.", "inputSchema": {"type": "object"}},
    {"name": "wait", "description": "Never end.", "inputSchema": {"type": "object"}},
    {"name": "change", "description": "Take a tool away.", "inputSchema": {"type": "object"}},
    {"name": "extra", "description": "Be taken away.", "inputSchema": {"type": "object"}},
]
STEPS = 3
lock = threading.Lock()


def note(what: str, **more: object) -> None:
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps({"what": what, **more}) + "\n")


def send(message: dict[str, Any]) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], "isError": False}


def answer(method: str, params: dict[str, Any], id: Any) -> dict[str, Any] | None:
    if method == "initialize":
        about = {"name": "behind", "version": "1"}
        can = {"tools": {"listChanged": True}}
        return {"protocolVersion": "2025-06-18", "capabilities": can, "serverInfo": about}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "ping":
        return {}
    name = params["name"]
    if name == "echo":
        return text(params["arguments"]["value"])
    if name == "change":
        TOOLS[:] = [tool for tool in TOOLS if tool["name"] != "extra"]
        send({"method": "notifications/tools/list_changed"})
        return text("changed")
    if name == "steps":
        threading.Thread(target=steps, args=(params, id), daemon=True).start()
    else:
        note("waits", id=id)
    return None


def steps(params: dict[str, Any], id: Any) -> None:
    token = params.get("_meta", {}).get("progressToken")
    for done in range(1, STEPS + 1):
        if token is not None:
            told = {"progressToken": token, "progress": done, "total": STEPS}
            send({"method": "notifications/progress", "params": told})
        time.sleep(0.2)
    send({"id": id, "result": text("done")})


def main() -> None:
    helper = subprocess.Popen(
        ["sleep", "120"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    note("started", server=os.getpid(), helper=helper.pid)
    for line in sys.stdin:
        message = json.loads(line)
        method, id = message.get("method"), message.get("id")
        if method == "notifications/cancelled":
            note("cancelled", id=message["params"]["requestId"])
        if method is None or id is None:
            continue
        if method not in ("initialize", "tools/list", "tools/call", "ping"):
            send({"id": id, "error": {"code": -32601, "message": "Method not found"}})
        elif (result := answer(method, message.get("params") or {}, id)) is not None:
            send({"id": id, "result": result})


if __name__ == "__main__":
    main()
