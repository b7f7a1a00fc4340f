"""What ``clawmatrix tools`` and ``clawmatrix call`` ask the running node for."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import msgspec

from clawmatrix_core import ControlMethod, ExchangeFailure, is_node_id
from clawmatrix_tool_proxy.api import ErrorOutput, Progress, ToolFailed, call_tool, list_tools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core import JSON, Node

__all__ = ["ToolMethods"]

_PROVEN: Final = ("accepted", "invited", "introduced")
_PATIENCE: Final = 10.0


class ToolMethods:
    """The methods of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("tools.list", call=self.list),
            ControlMethod("tools.call", stream=self.call),
        ]

    async def list(self, params: dict[str, JSON]) -> JSON:
        """Return the tools of the node ``node``, or of this one.

        Raises: ExchangeFailure ``bad_params``, ``not_proven`` or what the other node says.
        """
        peer = self._peer(params)
        try:
            catalog = await list_tools(self._node, peer, patience=_PATIENCE)
        except ToolFailed as error:
            raise _failure(error) from None
        entries = [msgspec.to_builtins(entry) for entry in catalog.entries]
        return {"nodeId": peer, "version": catalog.version, "tools": entries}

    async def call(self, params: dict[str, JSON]) -> AsyncIterator[JSON]:
        """Call a tool; yield its output, its progress and its end."""
        peer, tool = self._peer(params), params.get("tool")
        arguments, timeout = params.get("arguments", {}), params.get("timeout")
        if not isinstance(tool, str) or not isinstance(arguments, dict):
            raise ExchangeFailure("bad_params", "expected a tool and its arguments")
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise ExchangeFailure("bad_params", "timeout: expected seconds")
        try:
            async with call_tool(self._node, peer, tool, arguments, timeout=timeout) as running:
                async for part in running:
                    yield _item(part)
                found = await running.result()
        except ToolFailed as error:
            raise _failure(error) from None
        yield {"result": found.value, "cut": msgspec.to_builtins(found.cut)}

    def _peer(self, params: dict[str, JSON]) -> str:
        """Return the node that is meant. Raises: ExchangeFailure."""
        node, peer = self._node, params.get("node")
        if peer is None:
            return node.id
        if not isinstance(peer, str) or not is_node_id(peer):
            raise ExchangeFailure("bad_params", "node: expected the name of a node")
        known = node.directory.get(peer)
        if known is None and peer != node.id:
            raise ExchangeFailure("unknown_node", f"no node is named {peer}")
        if known is not None and peer != node.id and params.get("anyone") is not True:
            how = node.trust.how_known(known.node_id, known.record.key_text)
            if how not in _PROVEN:
                raise ExchangeFailure("not_proven", _not_proven(peer, how))
        return peer


def _not_proven(peer: str, how: str) -> str:
    ways = {
        "linked": "first come, first kept",
        "hearsay": "hearsay",
    }
    return (
        f"that a node is {peer} is known by {ways.get(how, how)} only, and it may be another one:"
        f" see `clawmatrix trust show {peer}`, accept its key, or add --anyone"
    )


def _item(part: bytes | Progress) -> JSON:
    if isinstance(part, Progress):
        return {"progress": part.progress, "waits": part.waits}
    marks = {"stderr": True} if isinstance(part, ErrorOutput) else {}
    try:
        return {"text": part.decode(), **marks}
    except UnicodeDecodeError:
        return {"bytes": base64.b64encode(part).decode(), **marks}


def _failure(error: ToolFailed) -> ExchangeFailure:
    detail = {
        "mayHaveRun": error.may_have_run,
        "inDoubt": error.in_doubt,
        "exitStatus": error.exit_status,
        "detail": error.detail,
    }
    return ExchangeFailure(error.code, str(error), detail=detail)
