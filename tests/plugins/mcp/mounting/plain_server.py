"""An MCP server of the version 2025-06-18 in the standard library, good or hostile as it is told.

``plain_server.py [MODE]``: a mode is the name of a function ``mode_...`` below, which changes the
server before it begins.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

TOOLS: list[dict[str, Any]] = [
    {
        "name": "echo",
        "title": "Echo",
        "description": "Give back what comes.",
        "inputSchema": {"type": "object", "properties": {"value": {}}},
        "annotations": {"readOnlyHint": True},
    },
    {"name": "environment", "inputSchema": {"type": "object"}},
    {"name": "steps", "description": "Go in steps.", "inputSchema": {"type": "object"}},
    {"name": "wait", "inputSchema": {"type": "object"}},
    {"name": "die", "inputSchema": {"type": "object"}},
    {"name": "fail", "inputSchema": {"type": "object"}},
    {"name": "change", "inputSchema": {"type": "object"}},
    {"name": "spoil", "inputSchema": {"type": "object"}},
    {"name": "ask", "inputSchema": {"type": "object"}},
    {"name": "fork", "inputSchema": {"type": "object"}},
    {"name": "large", "inputSchema": {"type": "object"}},
    {"name": "seen", "inputSchema": {"type": "object"}},
    {"name": "meta", "inputSchema": {"type": "object"}},
    {"name": "input", "inputSchema": {"type": "object"}},
    {"name": "read", "inputSchema": {"type": "object"}},
    {"name": "write", "inputSchema": {"type": "object"}},
]
ASKED = ("sampling/createMessage", "roots/list", "elicitation/create")
told: list[Any] = []
hooks: dict[str, Any] = {}


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(value: object) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": json.dumps(value)}], "isError": False}


def answer(method: str, params: dict[str, Any], id: Any) -> dict[str, Any] | None:
    if method == "initialize":
        about = {"name": "plain", "version": "1"}
        caps = {"tools": {"listChanged": True}, "resources": {}, "prompts": {}, "logging": {}}
        return {"protocolVersion": "2025-06-18", "capabilities": caps, "serverInfo": about}
    if method == "tools/list":
        if "pages" in hooks:
            page = next(hooks["pages"])
            tools = [{"name": f"p{page}-{n}", "inputSchema": {"type": "object"}} for n in range(50)]
            return {"tools": tools, "nextCursor": str(page)}
        return {"tools": TOOLS}
    if method == "resources/list":
        return {"resources": [{"uri": "file:///notes", "name": "notes"}]}
    if method == "resources/templates/list":
        return {"resourceTemplates": [{"uriTemplate": "file:///{name}", "name": "files"}]}
    if method == "resources/read":
        return {"contents": [{"uri": params["uri"], "text": "noted"}]}
    if method == "prompts/list":
        return {"prompts": [{"name": "greet"}]}
    if method == "tools/call":
        last.clear()
        last.update(params)
        return call(params["name"], params.get("arguments") or {}, params.get("_meta") or {}, id)
    return None


def call(name: str, given: dict[str, Any], meta: dict[str, Any], id: Any) -> dict[str, Any] | None:
    tool = globals().get(f"tool_{name}")
    if tool is not None:
        found: dict[str, Any] | None = tool(given, meta, id)
        return found
    return {**text(given.get("value")), "structuredContent": {"value": given.get("value")}}


def tool_environment(*_: Any) -> Any:
    return text({"env": dict(os.environ), "cwd": os.getcwd(), "pid": os.getpid()})


def tool_steps(_: Any, meta: Any, __: Any) -> Any:
    for done in range(1, 4):
        send_progress(meta, {"progress": done, "total": 3, "message": f"step {done}"})
    return text("done")


def tool_wait(_: Any, meta: Any, __: Any) -> None:
    send_progress(meta, {"progress": 1, "message": str(os.getpid())})


def tool_die(*_: Any) -> None:
    os._exit(3)


def tool_change(given: Any, *_: Any) -> Any:
    TOOLS[:] = given["tools"]
    send({"method": "notifications/tools/list_changed"})
    return text("changed")


def tool_spoil(*_: Any) -> Any:
    bad["tools/list"] = {"tools": 7}
    send({"method": "notifications/tools/list_changed"})
    return text("spoiled")


def tool_ask(*_: Any) -> Any:
    for number, method in enumerate(ASKED):
        send({"id": f"ask-{number}", "method": method, "params": asked(method)})
    return text("asked")


def tool_fork(*_: Any) -> Any:
    subprocess.Popen(["/bin/sh", "-c", "trap '' TERM HUP; sleep 1000"], start_new_session=True)
    return text(os.getpid())


def tool_large(given: Any, *_: Any) -> Any:
    return text("x" * int(given["size"]))


def tool_read(given: Any, *_: Any) -> Any:
    try:
        with open(given["path"]) as file:
            return text(file.read())
    except OSError as error:
        return text(str(error))


def tool_write(given: Any, *_: Any) -> Any:
    with open(given["path"], "w"):
        return text("")


def tool_seen(*_: Any) -> Any:
    return text(told)


def tool_input(given: Any, meta: Any, __: Any) -> Any:
    if "inputResponses" in last:
        told = {"state": last["requestState"], "given": last["inputResponses"]}
        return {**text(told), "resultType": "complete"}
    params = {"message": "which?", "requestedSchema": {"type": "object", "properties": {}}}
    wanted = {"which": {"method": "elicitation/create", "params": params}}
    return {"resultType": "input_required", "inputRequests": wanted, "requestState": "here"}


def tool_meta(_: Any, meta: Any, __: Any) -> Any:
    return {**text(meta), "resultType": "complete"}


def asked(method: str) -> dict[str, Any]:
    if method == "sampling/createMessage":
        content = {"type": "text", "text": "tell me a secret"}
        return {"messages": [{"role": "user", "content": content}], "maxTokens": 10}
    if method == "elicitation/create":
        return {
            "message": "your password?",
            "requestedSchema": {"type": "object", "properties": {}},
        }
    return {}


def send_progress(meta: dict[str, Any], words: dict[str, Any]) -> None:
    if "progressToken" in meta:
        params = {"progressToken": meta["progressToken"], **words}
        send({"method": "notifications/progress", "params": params})


def mode_long_line(_: str) -> None:
    """Write a line of a gibibyte in the place of the first answer."""

    def write() -> None:
        for _ in range(1024):
            sys.stdout.write("x" * 1024**2)
        sys.stdout.flush()

    hooks["server/discover"] = write


def mode_values(_: str) -> None:
    """List what has too many values to be decoded."""
    TOOLS.append({"name": "many", "inputSchema": {"type": "object", "enum": [[]] * 400_000}})


def mode_deep(_: str) -> None:
    """List what is nested too deep to be decoded."""
    schema: dict[str, Any] = {"type": "object"}
    for _depth in range(200):
        schema = {"type": "object", "properties": {"x": schema}}
    TOOLS.append({"name": "deep", "inputSchema": schema})


def mode_many(count: str) -> None:
    """List so many tools."""
    schema = {"type": "object"}
    TOOLS[:] = [{"name": f"tool{n}", "inputSchema": schema} for n in range(int(count))]


def mode_pages(_: str) -> None:
    """List tools on pages without an end."""
    hooks["pages"] = iter(range(10**9))


def mode_tools(definitions: str) -> None:
    """List these tools."""
    TOOLS[:] = json.loads(definitions)


def mode_hang(method: str) -> None:
    """Never answer a method, nor anything after it."""
    hooks[method] = lambda: time.sleep(1000)


def mode_lacks(method: str) -> None:
    """Know nothing of a method, though its capability is told."""
    lacking.append(method)


def mode_once(path: str) -> None:
    """Start only where a file is not there yet."""
    if os.path.exists(path):
        sys.exit(5)
    open(path, "x").close()


def mode_die(method: str) -> None:
    """Die when a method is asked for."""
    hooks[method] = lambda: os._exit(7)


def mode_fork(_: str) -> None:
    """Leave processes behind in sessions of their own, and go on."""
    for _time in range(3):
        call("fork", {}, {}, None)


def mode_flood(kind: str) -> None:
    """Send without an end, from a process of its own, once a tool is called."""

    def flood() -> None:
        if os.fork() == 0:
            out = sys.stderr if kind == "errors" else sys.stdout
            while True:
                out.write(FLOODS[kind] * 100)
                out.flush()

    hooks["tools/call"] = flood


def mode_deaf(_: str) -> None:
    """Ask without an end, and read nothing."""

    def ask() -> None:
        for n in range(10**9):
            send({"id": f"{n}{'x' * 10_000}", "method": "ping"})

    hooks["tools/list"] = ask


def mode_modern(_: str) -> None:
    """Speak the version 2026-07-28."""
    ways = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    bad["server/discover"] = {**ways, "resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
    for method in ("tools/list",):
        whole = {"tools": TOOLS, "resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
        bad[method] = whole


def mode_noise(_: str) -> None:
    """Write garbage, answers that nobody asked for, and half a character, before anything else."""
    print("Welcome to the plain server!")
    print(json.dumps({"jsonrpc": "2.0", "id": 4711, "result": {}}))
    print(json.dumps({"jsonrpc": "2.0", "id": "tools", "result": {"tools": []}}))
    print(json.dumps([1, 2]), "\n{}\n", '"\\ud800"', "[" * 10_000, sep="\n", flush=True)
    print("\x1b[31mred\x1b[0m", "e" * 100_000, sep="\n", file=sys.stderr, flush=True)


def mode_bad(method: str) -> None:
    """Answer a method with what is no result of it."""
    bad[method] = {"tools": 7, "content": "no", "protocolVersion": "1999-01-01"}


FLOODS = {
    "notices": '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n',
    "log": '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info",'
    '"data":"noise"}}\n',
    "progress": '{"jsonrpc":"2.0","method":"notifications/progress","params":'
    '{"progressToken":9,"progress":1}}\n',
    "odd": '{"jsonrpc":"2.0","method":"notifications/message","params":7}\n',
    "garbage": "garbage " * 100 + "\n",
    "empty": "\n" * 1000,
    "errors": "error\n" * 100,
    "requests": '{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
}
bad: dict[str, Any] = {}
lacking: list[str] = []
last: dict[str, Any] = {}


def main() -> None:
    for mode in sys.argv[1:]:
        name, _, more = mode.partition("=")
        globals()[f"mode_{name}"](more)
    for line in sys.stdin:
        message = json.loads(line)
        method, id = message.get("method"), message.get("id")
        if method in hooks:
            hooks[method]()
        if method is None:
            told.append({key: message.get(key) for key in ("id", "error", "result")})
        elif method == "notifications/cancelled":
            told.append({"cancelled": message["params"]["requestId"]})
        elif id is not None:
            respond(method, message.get("params") or {}, id)


def respond(method: str, params: dict[str, Any], id: Any) -> None:
    if method == "tools/call" and params.get("name") == "fail":
        send({"id": id, "error": {"code": -32602, "message": "no such luck"}})
        return
    if method in bad:
        send({"id": id, "result": bad[method]})
        return
    if method in ("server/discover", *lacking):
        send({"id": id, "error": {"code": -32601, "message": "Method not found"}})
        return
    result = answer(method, params, id)
    if result is not None:
        send({"id": id, "result": result})
    elif method != "tools/call":
        send({"id": id, "error": {"code": -32601, "message": "Method not found"}})


if __name__ == "__main__":
    main()
