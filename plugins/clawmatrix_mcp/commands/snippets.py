"""What the configuration of each MCP client needs, as the client's own documentation has it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import JSON

__all__ = ["CLIENTS", "VARIABLE", "Client", "Snippet", "Way"]

VARIABLE: Final = "CLAWMATRIX_TOKEN"
"""The environment variable that holds the token, where a client reads one."""
_NAME: Final = "clawmatrix"


@attrs.frozen
class Way:
    """How a client gets to the node.

    Attributes:
        url: the address of the node's ``/mcp``; None for a client that starts ``command``.
        command: the program and its arguments that are an MCP server on standard input and
            output, the file of the node's configuration last.
    """

    url: str | None
    command: Sequence[str]


@attrs.frozen
class Snippet:
    """What is written into a client's configuration.

    Attributes:
        file: the file that it goes into.
        language: the language of the file: ``json``, ``toml``.
        text: what goes into the file.
        needs: what else is to be done, in a sentence without a full stop; empty for nothing.
    """

    file: str
    language: str
    text: str
    needs: str = ""


_Write: TypeAlias = "Callable[[Way], Snippet]"


@attrs.frozen
class Client:
    """A program that speaks MCP.

    Attributes:
        title: its name, and its heading in the documentation.
        write: returns what its configuration needs.
        takes_url: whether it can be given the URL without the token itself; else it always
            starts the command.
    """

    title: str
    write: _Write
    takes_url: bool = True


def _claude_code(way: Way) -> Snippet:
    server: JSON = {"type": "stdio", **_started(way)}
    if way.url is not None:
        server = {"type": "http", "url": way.url, "headers": _bearer(f"${{{VARIABLE}}}")}
    return _as_json(".mcp.json", {"mcpServers": {_NAME: server}}, _export(way))


def _codex(way: Way) -> Snippet:
    lines = [f"[mcp_servers.{_NAME}]"]
    if way.url is not None:
        lines += [f"url = {_text(way.url)}", f"bearer_token_env_var = {_text(VARIABLE)}"]
    else:
        program, *arguments = way.command
        listed = ", ".join(map(_text, arguments))
        lines += [f"command = {_text(program)}", f"args = [{listed}]"]
    text = "\n".join([*lines, "tool_timeout_sec = 600"]) + "\n"
    return Snippet("~/.codex/config.toml", "toml", text, _export(way))


def _openclaw(way: Way) -> Snippet:
    server: JSON = _started(way)
    if way.url is not None:
        headers = _bearer(f"${{{VARIABLE}}}")
        server = {"transport": "streamable-http", "url": way.url, "headers": headers}
    needs = f"{_export(way)}, or a line in ~/.openclaw/.env" if way.url else ""
    return _as_json("~/.openclaw/openclaw.json", {"mcp": {"servers": {_NAME: server}}}, needs)


def _opencode(way: Way) -> Snippet:
    server: JSON = {"type": "local", "command": list(way.command)}
    if way.url is not None:
        headers = _bearer(f"{{env:{VARIABLE}}}")
        server = {"type": "remote", "url": way.url, "oauth": False, "headers": headers}
    return _as_json("opencode.json", {"mcp": {_NAME: server}}, _export(way))


def _vscode(way: Way) -> Snippet:
    if way.url is None:
        server = {"type": "stdio", **_started(way)}
        return _as_json(".vscode/mcp.json", {"servers": {_NAME: server}})
    name = f"{_NAME}-token"
    asked = {"type": "promptString", "id": name, "description": "Token of the ClawMatrix node"}
    server = {"type": "http", "url": way.url, "headers": _bearer(f"${{input:{name}}}")}
    prints = f"`clawmatrix env --json -c {shlex.quote(way.command[-1])}` prints it"
    needs = f"VS Code asks for the token once and keeps it: {prints}"
    whole: JSON = {"inputs": [asked | {"password": True}], "servers": {_NAME: server}}
    return _as_json(".vscode/mcp.json", whole, needs)


def _inspector(way: Way) -> Snippet:
    server: JSON = {"type": "stdio", **_started(way)}
    needs = "npx @modelcontextprotocol/inspector --config inspector.json"
    return _as_json("inspector.json", {"mcpServers": {_NAME: server}}, needs)


def _export(way: Way) -> str:
    """Return what sets the variable, in a shell; nothing for a client that needs none."""
    if way.url is None:
        return ""
    file = shlex.quote(way.command[-1])
    return f'the client reads {VARIABLE}: eval "$(clawmatrix env -c {file})" sets it'


def _started(way: Way) -> dict[str, JSON]:
    program, *arguments = way.command
    return {"command": program, "args": arguments}


def _bearer(token: str) -> dict[str, JSON]:
    return {"Authorization": f"Bearer {token}"}


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # what TOML takes as a basic string, too


def _as_json(file: str, value: JSON, needs: str = "") -> Snippet:
    return Snippet(file, "json", json.dumps(value, indent=2, ensure_ascii=False) + "\n", needs)


CLIENTS: Final = {
    "claude-code": Client("Claude Code", _claude_code),
    "codex": Client("Codex", _codex),
    "openclaw": Client("OpenClaw", _openclaw),
    "opencode": Client("opencode", _opencode),
    "vscode": Client("VS Code", _vscode),
    "inspector": Client("MCP Inspector", _inspector, takes_url=False),
}
"""Each client by the name that ``clawmatrix mcp config`` takes."""
