"""Arguments of calls that are repeated in headers, where the schema of a tool wants that.

Since 2026-07-28 a schema may mark a property with ``x-mcp-header``; over HTTP its value goes into a
header as well. A client on standard input and output has no headers, so they are made here, from
the schemas in the lists that passed through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clawmatrix_core import Bound
from clawmatrix_mcp.stdio.message import header_value

if TYPE_CHECKING:
    from clawmatrix_mcp.stdio.message import Message

__all__ = ["MAX_TOOLS", "MISMATCH", "ParameterHeaders", "error_code"]

MAX_TOOLS = Bound(
    4096,
    "tools whose arguments `clawmatrix mcp` repeats in headers",
    fed_by="a member",
    when_full="those it knows are forgotten, and learned again as they are called",
)
MISMATCH: Final = -32020
"""The code with which a server says that headers do not repeat what is in the message."""
_MARK: Final = "x-mcp-header"
_PREFIX: Final = "mcp-param-"


class _Tool(msgspec.Struct):
    name: str
    schema: dict[str, Any] = msgspec.field(name="inputSchema", default={})


class _Listed(msgspec.Struct):
    tools: list[_Tool] = []


class _Params(msgspec.Struct):
    given: dict[str, Any] | None = msgspec.field(name="arguments", default=None)


class _Call(msgspec.Struct):
    params: _Params


class _Error(msgspec.Struct):
    code: int


class _Failure(msgspec.Struct):
    error: _Error | None = None


class ParameterHeaders:
    """Knows which arguments of which tools are repeated."""

    def __init__(self) -> None:
        self._tools: dict[str, dict[tuple[str, ...], str]] = {}

    def learn(self, answer: Message) -> None:
        """Look at the answer to ``tools/list``."""
        if answer.result is None or _MARK.encode() not in answer.line:
            return
        try:
            listed = msgspec.json.decode(answer.result, type=_Listed)
        except msgspec.DecodeError:
            return  # not the shape of the protocol: the client finds out
        for tool in listed.tools:
            if marked := _marked(tool.schema):
                if len(self._tools) >= MAX_TOOLS:
                    self._tools.clear()
                self._tools[tool.name] = marked
            else:
                self._tools.pop(tool.name, None)

    def of(self, message: Message) -> dict[str, str]:
        """Return the headers that repeat the arguments of a call."""
        marked = self._tools.get(message.name or "")
        if marked is None or message.method != "tools/call":
            return {}
        try:
            arguments = msgspec.json.decode(message.line, type=_Call).params.given
        except msgspec.DecodeError:
            return {}
        found = {token: _value_at(arguments, path) for path, token in marked.items()}
        words = {token: _words(value) for token, value in found.items()}
        return {
            f"{_PREFIX}{token}": header_value(text)
            for token, text in words.items()
            if text is not None
        }


def error_code(answer: Message) -> int | None:
    """Return the code of an answer that is an error."""
    if answer.result is not None:
        return None
    try:
        failure = msgspec.json.decode(answer.line, type=_Failure)
    except msgspec.DecodeError:
        return None
    return None if failure.error is None else failure.error.code


def _marked(schema: dict[str, Any]) -> dict[tuple[str, ...], str]:
    """Return the marked properties by their path; only chains of properties can be marked."""
    found: dict[tuple[str, ...], str] = {}
    waiting: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), schema)]
    while waiting:
        path, one = waiting.pop()
        mark = one.get(_MARK)
        if path and isinstance(mark, str):
            found[path] = mark
        inner = one.get("properties")
        if isinstance(inner, dict):
            dicts = {name: value for name, value in inner.items() if isinstance(value, dict)}
            waiting += [((*path, name), value) for name, value in dicts.items()]
    return found


def _value_at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _words(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
