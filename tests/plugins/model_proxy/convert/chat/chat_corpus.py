"""The golden corpus of chat completions, and short words for the tests that use it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.chat.codec import Chat
from clawmatrix_model_proxy.neutral.answer import Gathered
from clawmatrix_model_proxy.neutral.codec import Making
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer

__all__ = [
    "ANSWERS",
    "CHAT",
    "REQUESTS",
    "STREAMS",
    "asked",
    "gathered",
    "making",
    "payloads_of",
    "read_stream",
    "written_stream",
]

_ROOT = Path(__file__).parents[4] / "data" / "models" / "chat"
CHAT = Chat()


def _loaded(kind: str) -> dict[str, Any]:
    files = sorted((_ROOT / kind).glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def _streams() -> dict[str, list[Any]]:
    files = sorted((_ROOT / "streams").glob("*.jsonl"))
    return {f.stem: [json.loads(line) for line in f.read_text().splitlines()] for f in files}


REQUESTS: dict[str, dict[str, Any]] = _loaded("requests")
ANSWERS: dict[str, dict[str, Any]] = _loaded("answers")
STREAMS: dict[str, list[Any]] = _streams()
"""By name; those whose name begins with ``odd_`` are what servers give that are not OpenAI's.
A stream is the data of its events, ``"[DONE]"`` among them."""


def asked(*turns: Any, **more: Any) -> NeutralRequest:
    """Return a request of another API, with turns or else with one of the user's."""
    more = {"api": "responses", **more}
    return NeutralRequest(turns=turns or (Turn("user", (Text("Hi"),)),), **more)


def making(*, include_usage: bool = True) -> Making:
    """Return what writers need, with ids that count."""
    count = itertools.count()
    return Making(
        asked(),
        "model-x",
        1_700_000_000,
        lambda letters: f"{letters}{next(count)}",
        include_usage,
    )


def read_stream(events: list[Any]) -> list[Event]:
    """Read a stream of the corpus to its end."""
    reader = CHAT.reader()
    read: list[Event] = []
    for event in events:
        if event != "[DONE]":
            read.extend(reader.read(event))
    return [*read, *reader.done(marked="[DONE]" in events)]


def written_stream(events: list[Event], made: Making) -> bytes:
    """Write the events of a stream."""
    writer = CHAT.writer(made)
    return b"".join(writer.write(event) for event in events)


def payloads_of(stream: bytes) -> list[Any]:
    """Return the data of a stream's events as the corpus has it."""
    lines = [event.removeprefix(b"data: ") for event in stream.split(b"\n\n")[:-1]]
    return [line.decode() if line == b"[DONE]" else json.loads(line) for line in lines]


def gathered(events: list[Event]) -> NeutralAnswer:
    """Return the answer that a stream's events amount to."""
    whole = Gathered()
    for event in events:
        whole.take(event)
    return whole.answer()
