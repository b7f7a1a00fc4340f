"""The calls of tools in an answer that is converted: each has a name, an id of its own, and whole
arguments, or the answer ends with an error. For the codecs of all plugins.

A client runs what it is given. Half a call, or two that were put together, must not look like one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_model_proxy.neutral.answer import Close, Delta, Finish, Open
from clawmatrix_model_proxy.neutral.arguments import Arguments
from clawmatrix_model_proxy.neutral.codec import BadAnswer

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Block, Event, FinishReason, NeutralAnswer

__all__ = ["WholeCalls", "with_whole_calls"]

_CALLS = ("tool", "free_tool")
_BROKEN_OFF = ("length", "content_filter", "pause", "refusal")
"""Reasons of an end that may come in the middle of a call. Clients know it by them."""


class WholeCalls:
    """Looks at the calls of one answer.

    Attributes:
        any: True once there was a call.
    """

    def __init__(self) -> None:
        self.any = False
        self._ids: dict[str, int] = {}  # and the number of the last call that was named by it
        self._arguments: dict[int, tuple[str, Arguments]] = {}

    def take(self, event: Event) -> Event:
        """Return an event, with an id that no call before has. Raises: BadAnswer."""
        match event:
            case Open(kind="tool" | "free_tool"):
                return self._opened(event)
            case Delta():
                if event.index in self._arguments:
                    self._arguments[event.index][1].add(event.text)
            case Close():
                if event.index in self._arguments:
                    _refuse_glued(*self._arguments[event.index])
            case Finish():
                for name, arguments in self._arguments.values():
                    _refuse_cut(name, arguments, event.reason)
        return event

    def _opened(self, event: Open) -> Open:
        if not event.name:
            raise BadAnswer("the upstream's answer has a call without the name of its tool")
        self.any = True
        if event.kind == "tool":
            self._arguments[event.index] = event.name, Arguments()
        own = self.own_id(event.id)
        return event if own == event.id else msgspec.structs.replace(event, id=own)

    def own_id(self, id: str) -> str:
        """Return an id that no call before has; an empty one is made later."""
        own, number = id, self._ids.get(id, 0)
        while own in self._ids:
            number += 1
            own = f"{id}_{number}"
        if own:
            self._ids[id] = max(number, 1)
            self._ids.setdefault(own, 1)
        return own


def with_whole_calls(answer: NeutralAnswer) -> NeutralAnswer:
    """Return a whole answer, with an id of its own for each call. Raises: BadAnswer."""
    if not any(block.kind in _CALLS for block in answer.blocks):
        return answer
    calls = WholeCalls()
    blocks = tuple(_checked(block, answer.reason, calls) for block in answer.blocks)
    return msgspec.structs.replace(answer, blocks=blocks)


def _checked(block: Block, reason: FinishReason, calls: WholeCalls) -> Block:
    if block.kind not in _CALLS:
        return block
    opened = calls.take(Open(0, block.kind, block.id, block.name))
    if block.kind == "tool":
        arguments = Arguments()
        arguments.add(block.text)
        _refuse_glued(block.name, arguments)
        _refuse_cut(block.name, arguments, reason)
    assert isinstance(opened, Open)
    return block if opened.id == block.id else msgspec.structs.replace(block, id=opened.id)


def _refuse_glued(name: str, arguments: Arguments) -> None:
    if arguments.glued:
        raise BadAnswer(f"a call of {name!r} has more than one object of arguments")


def _refuse_cut(name: str, arguments: Arguments, reason: FinishReason) -> None:
    if reason not in _BROKEN_OFF and arguments.cut:
        raise BadAnswer(f"the answer ended before a call of {name!r} was whole")
