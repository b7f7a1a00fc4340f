"""Names of tools that an API refuses: others stand for them until the answer is back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.convert.fit.spellings import spellings
from clawmatrix_model_proxy.neutral.answer import Open
from clawmatrix_model_proxy.neutral.request import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import StreamReader
    from clawmatrix_model_proxy.neutral.request import NeutralRequest, Part, ToolChoice, Turn
    from clawmatrix_model_proxy.neutral.rules import Words

__all__ = ["NamingReader", "tool_names", "with_chosen_names", "with_names", "with_tool_names"]


def tool_names(request: NeutralRequest, words: Words) -> dict[str, str]:
    """Return the names of tools in a request that an API refuses, each with another for it."""
    return spellings(_names(request), words)


def _names(request: NeutralRequest) -> Iterator[str]:
    yield from (tool.name for tool in request.tools)
    if request.tool_choice is not None:
        yield from request.tool_choice.names
    for turn in request.turns:
        yield from (part.name for part in turn.parts if isinstance(part, ToolCall))


def with_chosen_names(choice: ToolChoice | None, names: Mapping[str, str]) -> ToolChoice | None:
    """Return a choice among tools that have other names."""
    if choice is None or not names:
        return choice
    return attrs.evolve(choice, names=tuple(names.get(name, name) for name in choice.names))


def with_tool_names(turns: tuple[Turn, ...], names: Mapping[str, str]) -> tuple[Turn, ...]:
    """Return a conversation whose calls are of tools that have other names."""
    if not names:
        return turns
    return tuple(
        attrs.evolve(turn, parts=tuple(_renamed(part, names) for part in turn.parts))
        for turn in turns
    )


def _renamed(part: Part, names: Mapping[str, str]) -> Part:
    if isinstance(part, ToolCall) and part.name in names:
        return attrs.evolve(part, name=names[part.name])
    return part


def with_names(answer: NeutralAnswer, names: Mapping[str, str]) -> NeutralAnswer:
    """Return a whole answer with the client's names of tools, by the upstream's."""
    blocks = tuple(
        msgspec.structs.replace(block, name=names[block.name]) if block.name in names else block
        for block in answer.blocks
    )
    return msgspec.structs.replace(answer, blocks=blocks)


class NamingReader(msgspec.Struct):
    """Reads a stream with another reader, and gives calls the client's names of their tools."""

    inner: StreamReader
    names: Mapping[str, str]

    @property
    def finished(self) -> bool:
        """See StreamReader."""
        return bool(getattr(self.inner, "finished", False))

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """See StreamReader."""
        return [self._named(event) for event in self.inner.read(payload)]

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """See StreamReader."""
        return [self._named(event) for event in self.inner.done(marked=marked)]

    def _named(self, event: Event) -> Event:
        if isinstance(event, Open) and event.name in self.names:
            return msgspec.structs.replace(event, name=self.names[event.name])
        return event
