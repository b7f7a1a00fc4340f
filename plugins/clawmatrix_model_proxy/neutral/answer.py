"""An answer in no API's own shape: whole, and as the events of a stream.

A stream is ``Begin``, then for each block ``Open``, ``Delta``s and ``Close``, then one ``Finish``
and at last ``Completed``. Blocks have the numbers 0, 1, 2 in the order in which they open; several
may be open at a time. Anything may be followed by ``Failed``, after which nothing comes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from clawmatrix_core import JSON  # noqa: TC001 - msgspec and attrs read it
from clawmatrix_model_proxy.neutral.request import Reasoning, Refusal, Text, ToolCall
from clawmatrix_model_proxy.neutral.sealed import Sealer  # noqa: TC001 - msgspec reads it

__all__ = [
    "Begin",
    "Block",
    "BlockKind",
    "Close",
    "Completed",
    "Delta",
    "Event",
    "Failed",
    "Finish",
    "FinishReason",
    "Gathered",
    "NeutralAnswer",
    "Open",
    "Usage",
    "events_of",
    "part_of",
]

BlockKind = Literal["text", "refusal", "reasoning", "summary", "redacted", "tool", "free_tool"]
"""What a block is.

``reasoning`` has the model's thoughts, ``summary`` one paragraph of a summary of them,
``redacted`` nothing but what is sealed; ``free_tool`` is a call whose arguments are text.
"""

FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "refusal", "stop_sequence", "pause"
]
"""Why the answer ended. ``stop_sequence`` is a ``stop`` of which the words are known; ``length`` is
the limit of the request or of the model; ``pause`` an upstream's wish to be asked to go on."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens. None is what the upstream did not say.

    Attributes:
        input: all of the prompt, what was cached among it.
        output: all of the answer, reasoning among it.
        cached: of ``input``, read from a cache.
        cache_written: of ``input``, written to a cache.
        more: other details of OpenAI's, as ``(group, name) -> count``; group is
            ``input`` or ``output``.
        estimated: this node counted, since the upstream had no occasion to.
    """

    input: int = 0
    output: int = 0
    cached: int | None = None
    cache_written: int | None = None
    reasoning: int | None = None
    more: dict[tuple[str, str], int] = {}
    estimated: bool = False


class Begin(msgspec.Struct, frozen=True):
    """The answer begins.

    Attributes:
        id: the upstream's name for it; may be empty.
        model: who answers, in the upstream's words; may be empty.
        created: seconds since 1970, 0 where the upstream did not say.
        usage: what is known at the beginning, where anything is.
    """

    id: str = ""
    model: str = ""
    created: int = 0
    usage: Usage | None = None


class Open(msgspec.Struct, frozen=True):
    """A block opens.

    Attributes:
        id: of a tool call, what its result refers to; of reasoning, the API's name for it.
        name: the tool's.
        group: blocks of reasoning with one number, not -1, belong to one thought.
        sealed, sealed_by: of a tool call, see ``request.ToolCall``.
    """

    index: int
    kind: BlockKind
    id: str = ""
    name: str = ""
    group: int = -1
    sealed: str = ""
    sealed_by: Sealer = ""


class Delta(msgspec.Struct, frozen=True):
    """More of a block: text, or a piece of a tool's arguments.

    Attributes:
        logprobs: how likely its tokens were, in OpenAI's shape, where that was asked for.
    """

    index: int
    text: str
    logprobs: list[dict[str, JSON]] | None = None


class Close(msgspec.Struct, frozen=True):
    """A block is whole.

    Attributes:
        sealed, sealed_by: of reasoning, see ``request.Reasoning``.
    """

    index: int
    sealed: str = ""
    sealed_by: Sealer = ""


class Finish(msgspec.Struct, frozen=True):
    """Every block is whole; why the answer ended, and what it took.

    Attributes:
        stop_sequence: the words that ended it, where they are known.
        usage: None where the upstream does not say.
    """

    reason: FinishReason
    usage: Usage | None = None
    stop_sequence: str | None = None


class Completed(msgspec.Struct, frozen=True):
    """The upstream said by its API's own end that the answer is whole."""


class Failed(msgspec.Struct, frozen=True):
    """The upstream's own error, in place of the rest; ``error`` is as it gave it."""

    error: JSON


Event = Begin | Open | Delta | Close | Finish | Completed | Failed


class Block(msgspec.Struct, frozen=True):
    """A block of a whole answer; see ``Open``, ``Delta`` and ``Close``."""

    kind: BlockKind
    text: str = ""
    id: str = ""
    name: str = ""
    group: int = -1
    logprobs: list[dict[str, JSON]] | None = None
    sealed: str = ""
    sealed_by: Sealer = ""


class NeutralAnswer(msgspec.Struct, frozen=True):
    """A whole answer; see ``Begin`` and ``Finish``."""

    id: str
    model: str
    created: int
    blocks: tuple[Block, ...]
    reason: FinishReason
    usage: Usage | None = None
    stop_sequence: str | None = None


class _Growing(msgspec.Struct):
    opened: Open
    pieces: list[str] = msgspec.field(default_factory=list)
    logprobs: list[dict[str, JSON]] | None = None  # a list of its own, of all that came
    closed: Close | None = None

    def block(self) -> Block:
        opened, closed = self.opened, self.closed or Close(self.opened.index)
        sealed = closed if closed.sealed else opened
        return Block(
            opened.kind,
            "".join(self.pieces),
            opened.id,
            opened.name,
            opened.group,
            self.logprobs,
            sealed.sealed,
            sealed.sealed_by,
        )


class Gathered:
    """Gathers the events of a stream into an answer; ``take`` each, then read the rest.

    Attributes:
        begin, finish: the events, None before they came.
    """

    def __init__(self) -> None:
        self.begin = Begin()
        self.finish: Finish | None = None
        self._blocks: dict[int, _Growing] = {}

    def take(self, event: Event) -> None:
        """Add an event."""
        match event:
            case Delta():
                growing = self._blocks[event.index]
                growing.pieces.append(event.text)
                if event.logprobs is not None:
                    growing.logprobs = growing.logprobs or []
                    growing.logprobs += event.logprobs
            case Open():
                self._blocks[event.index] = _Growing(event)
            case Close():
                self._blocks[event.index].closed = event
            case Begin():
                self.begin = event
            case Finish():
                self.finish = event
            case _:
                pass

    def block(self, index: int) -> Block:
        """Return a block as far as it has come."""
        return self._blocks[index].block()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, as far as they have come."""
        return tuple(self._blocks[index].block() for index in sorted(self._blocks))

    def answer(self) -> NeutralAnswer:
        """Return the whole answer. ``finish`` must have come."""
        assert self.finish is not None
        begin, finish = self.begin, self.finish
        return NeutralAnswer(
            begin.id,
            begin.model,
            begin.created,
            self.blocks,
            finish.reason,
            finish.usage if finish.usage is not None else begin.usage,
            finish.stop_sequence,
        )


def events_of(answer: NeutralAnswer) -> list[Event]:
    """Return the stream that gives an answer."""
    events: list[Event] = [Begin(answer.id, answer.model, answer.created, answer.usage)]
    for index, block in enumerate(answer.blocks):
        seal = (block.sealed, block.sealed_by)
        calls = block.kind in ("tool", "free_tool")
        opening = seal if calls else ("", "")
        events.append(Open(index, block.kind, block.id, block.name, block.group, *opening))
        if block.text:
            events.append(Delta(index, block.text, block.logprobs))
        events.append(Close(index) if calls else Close(index, *seal))
    return [*events, Finish(answer.reason, answer.usage, answer.stop_sequence), Completed()]


def part_of(block: Block) -> Text | Refusal | Reasoning | ToolCall:
    """Return a block as the part of a later request that repeats it."""
    match block.kind:
        case "text":
            return Text(block.text)
        case "refusal":
            return Refusal(block.text)
        case "tool" | "free_tool":
            free = block.kind == "free_tool"
            seal = (block.sealed, block.sealed_by)
            return ToolCall(block.id, block.name, block.text, free, *seal)
        case "summary":
            return Reasoning("", (block.text,), block.sealed, block.sealed_by, id=block.id)
        case kind:
            redacted = kind == "redacted"
            return Reasoning(
                block.text, (), block.sealed, block.sealed_by, redacted=redacted, id=block.id
            )
