"""An MCP server over its input and output, in the standard library: notes, and what goes wrong."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

RESOURCES: list[dict[str, Any]] = [
    {
        "uri": "notes://home/One",
        "name": "one",
        "title": "The first\u200b note",
        "description": "A note.\U000e0041",
        "mimeType": "text/plain",
        "annotations": {"audience": ["user"], "priority": 0.5},
        "_meta": {"vendor/kept": [1, None]},
    },
    {"uri": "notes://home/my notes.txt", "name": "with a space"},
    {"uri": "notes://home/%6Ddd", "name": "oddly encoded"},
    {"uri": "notes://secret/One", "name": "secret"},
    {"uri": "notes://home/picture", "name": "picture", "mimeType": "image/png"},
    {"uri": "prompts/greet", "name": "an imitation of a prompt"},
    {"uri": "notes://home/../secret/One", "name": "a way around"},
]
TEMPLATES: list[dict[str, Any]] = [
    {"uriTemplate": "notes://home/{name}", "name": "by name", "_meta": {"vendor/kept": 1}},
    {"uriTemplate": "notes://by/{+path}{?q,n}", "name": "by path"},
]
PROMPTS: list[dict[str, Any]] = [
    {
        "name": "greet",
        "description": "Greets.",
        "arguments": [{"name": "who", "description": "Wh\u200bo.", "required": True}],
    },
    {"name": "a/b c", "title": "An odd name"},
]
PICTURE = "iVBORw0KGgo="


def contents(uri: str) -> list[dict[str, Any]]:
    if uri == "notes://home/picture":
        return [
            {"uri": uri, "mimeType": "image/png", "blob": PICTURE},
            {"uri": "notes://home/One", "text": "beside it", "_meta": {"vendor/kept": {"a": 1}}},
        ]
    if uri.startswith("notes://home/large"):
        return [{"uri": uri, "text": "x" * int(uri.rpartition("-")[2])}]
    return [{"uri": uri, "text": f"the text of {uri}"}]


def write(message: dict[str, Any]) -> None:
    with LOCK:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


LOCK = threading.Lock()
SEEN: list[str] = []


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return a result; None where there never is one."""
    if method == "initialize":
        has = {"resources": {"listChanged": True}, "prompts": {"listChanged": True}}
        version = params["protocolVersion"]
        about = {"name": "notes", "version": "1"}
        return {"protocolVersion": version, "capabilities": has, "serverInfo": about}
    if method == "resources/read":
        return read(params["uri"])
    if method == "prompts/get":
        SEEN.append(params["name"])
        text = f"Greet {params['arguments'].get('who')}."
        linked = {"type": "resource", "resource": {"uri": "notes://home/One", "text": "hey"}}
        return {
            "description": "A greeting",
            "messages": [
                {"role": "user", "content": {"type": "text", "text": text}},
                {"role": "user", "content": linked},
            ],
            "_meta": {"vendor/kept": True},
        }
    lists: dict[str, dict[str, Any]] = {
        "resources/list": {"resources": RESOURCES},
        "resources/templates/list": {"resourceTemplates": TEMPLATES},
        "prompts/list": {"prompts": PROMPTS},
    }
    return lists[method]


def read(uri: str) -> dict[str, Any] | None:
    if uri == "notes://home/seen":
        return {"contents": [{"uri": uri, "text": json.dumps(SEEN)}]}
    SEEN.append(uri)
    if uri == "notes://home/slow":
        return None
    if uri == "notes://home/gone":
        raise LookupError(uri)
    if uri == "notes://home/change":
        RESOURCES.append({"uri": "notes://home/new", "name": "new"})
        write({"method": "notifications/resources/list_changed"})
    return {"contents": contents(uri), "_meta": {"vendor/kept": "yes"}}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        method, params = message.get("method", ""), message.get("params") or {}
        if method == "notifications/cancelled":
            SEEN.append("cancelled")
        if "id" not in message:
            continue
        try:
            result = answer(method, params)
        except LookupError as error:
            code = -32601 if isinstance(error, KeyError) else -32002
            problem = {"code": code, "message": f"there is no {error}"}
            write({"id": message["id"], "error": problem})
        else:
            if result is not None:
                write({"id": message["id"], "result": result})


if __name__ == "__main__":
    main()
