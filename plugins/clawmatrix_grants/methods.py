"""What ``clawmatrix grants`` calls over the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import attrs

from clawmatrix_core import LOCAL, Action, ControlMethod, ExchangeFailure, is_node_id
from clawmatrix_grants import hookspecs
from clawmatrix_grants.report import NO_TABLE, Report
from clawmatrix_grants.tool_shapes import ToolShape, canonical_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import JSON, Node

__all__ = ["GrantsMethods"]


class GrantsMethods:
    """The methods of a node that runs."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("grants.key", self.key),
            ControlMethod("grants.show", self.show),
            ControlMethod("grants.check", self.check),
        ]

    async def key(self, params: dict[str, JSON]) -> JSON:
        """Return what is known of the key of the node ``peer``; see ``Report.key_for``."""
        given, bound = (
            None if params.get(name) is None else _text(params, name) for name in ("given", "bound")
        )
        return self._report().key_for(_name(params, "peer"), given, bound)

    async def show(self, params: dict[str, JSON]) -> JSON:
        """Return what everybody, or ``peer``, may use; see ``Report.shown``."""
        peer = None if params.get("peer") is None else _text(params, "peer")
        return self._report().shown(peer)

    async def check(self, params: dict[str, JSON]) -> JSON:
        """Return what the whole node answers to a question, and what becomes of each rule.

        Raises: ExchangeFailure, where the tool refuses such arguments.
        """
        peer, action, target = _asker(params), _action(params), _text(params, "target")
        arguments: Any = params.get("arguments")
        if action == "tool" and arguments is not None:
            try:
                arguments = canonical_arguments(self._shapes(), target, arguments)
            except ValueError as error:
                raise ExchangeFailure("bad_params", f"{target} refuses these: {error}") from None
        report = self._report()
        question = report.question(peer, action, target, arguments)
        verdict = await self._node.authorize(question.peer, question.key, action, target, arguments)
        told = attrs.asdict(verdict) | {"considered": report.considered(question)}
        if report.table is None and not verdict.plugin:
            told["reason"] = NO_TABLE
        unknown = report.unknown(question)
        return told if unknown is None else {**told, "reason": unknown}

    def _report(self) -> Report:
        return Report.of_node(self._node)

    def _shapes(self) -> Sequence[ToolShape]:
        found = self._node.hooks.collect(hookspecs.register_tool_shapes, ToolShape)
        return [shape for _, shape in found]


def _text(params: dict[str, JSON], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise ExchangeFailure("bad_params", f"{name}: expected text")
    return value


def _name(params: dict[str, JSON], name: str) -> str:
    value = _text(params, name)
    if not is_node_id(value):
        raise ExchangeFailure("bad_params", f"{name}: expected the name of a node")
    return value


def _asker(params: dict[str, JSON]) -> str:
    return LOCAL if params.get("peer") == LOCAL else _name(params, "peer")


def _action(params: dict[str, JSON]) -> Action:
    value: Any = params.get("action", "tool")
    if value not in get_args(Action):
        raise ExchangeFailure("bad_params", "action: expected " + ", ".join(get_args(Action)))
    return value  # type: ignore[no-any-return]
