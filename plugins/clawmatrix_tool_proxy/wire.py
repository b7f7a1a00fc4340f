"""What a caller and the node of a tool say to each other.

A caller opens an exchange ``tool_req`` with a ``ToolRequest``; arguments that are too large for it
follow as bytes. What comes back are bytes, which are output, heads with ``stderr`` that say how
many of the next bytes are error output, heads with ``progress``, and at the end one ``Outcome``; a
result that is too large for it follows as bytes. Behind an outcome that says so comes a
``LastHead``.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from clawmatrix_core import JSON, Bound, ExchangeFailure
from clawmatrix_tool_proxy.frame_types import TOOL_REQUEST

__all__ = [
    "ARGUMENTS",
    "CODE",
    "INLINE",
    "META",
    "RESULT",
    "TOOL_REQUEST",
    "VALUES",
    "WORDS",
    "Cut",
    "ErrorOutput",
    "LastHead",
    "Outcome",
    "Progress",
    "StderrHead",
    "ToolRequest",
    "read_answer",
    "read_last_head",
    "words_of",
]

INLINE: Final = 48 * 1024
"""Bytes of JSON that go in a head; what is larger follows it."""
META: Final = 12 * 1024
"""Bytes of JSON that ``meta`` of a request has at most; it always goes in the head."""
ARGUMENTS = Bound(
    8 * 1024**2,
    "bytes of the arguments of one call of a tool",
    fed_by="a member",
    when_full="the call is refused, and nothing runs",
)
RESULT = Bound(
    64 * 1024**2,
    "bytes of a result that a caller takes",
    fed_by="a member",
    when_full="the call ends with an error",
)

VALUES = Bound(
    1024**2,
    "values in a result that a caller takes",
    fed_by="a member",
    when_full="the call ends with an error, and the result is not decoded",
)
WORDS: Final = 2000
"""Characters of an error that are sent; a caller may bring any number of them about."""
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
CODE: Final = 64
"""Characters that the code of an error has at most."""
_Head = Annotated[str, msgspec.Meta(max_length=1024)]
_Word = Annotated[str, msgspec.Meta(max_length=CODE)]


class ToolRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Asks for a call.

    Attributes:
        tool: the name of the tool.
        params: the arguments; None where ``params_bytes`` bytes of JSON follow.
        params_bytes: how many these are.
        timeout_ms: milliseconds that the caller gives the tool; None leaves it to the tool.
        meta: what a protocol needs beside the arguments. Neither the policy nor the audit sees it.
    """

    tool: Annotated[str, msgspec.Meta(max_length=128)]
    params: dict[str, JSON] | None = None
    params_bytes: _Size = 0
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    meta: dict[str, JSON] = {}


class ErrorOutput(bytes):
    """A part of the output that is error output."""


class StderrHead(msgspec.Struct, frozen=True):
    """Says that the next ``stderr`` bytes of output are error output."""

    stderr: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a call is, in words.

    Attributes:
        progress: the words.
        waits: whether the call has not begun, as a person has to allow it.
        done: how much is done, as a number that grows; None where the tool gives none.
        total: the number that ``done`` reaches at the end; None where that is not known.
    """

    progress: str
    waits: bool = False
    done: float | None = None
    total: float | None = None


class Cut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was left out of an answer.

    Attributes:
        output: bytes of output that were dropped.
        result: bytes of the result that were dropped; what is left of it is text.
    """

    output: _Size = 0
    result: _Size = 0


class Outcome(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a call ended.

    Attributes:
        success: whether the tool gave a result.
        began: whether the tool may have run.
        result: what it gave, which may be null, 0 or empty.
        result_bytes: how many bytes of JSON follow in the place of ``result``.
        error: what went wrong, in words.
        code: the same as a stable word.
        detail: JSON for programs about the error.
        exit_status: what a command is to end with.
        cut: what was left out.
        audit: the head of the audit there, JSON as text.
        audit_follows: whether that comes in a ``LastHead`` instead, once the end is written down.
    """

    success: bool
    began: bool = False
    result: JSON = None
    result_bytes: _Size = 0
    error: str | None = None
    code: _Word = ""
    detail: JSON = None
    exit_status: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    cut: Cut = Cut()
    audit: _Head = ""
    audit_follows: bool = False


class LastHead(msgspec.Struct, frozen=True):
    """Comes behind an outcome, when the end of the call was written down at the node of the tool.

    Attributes:
        audit: the head of the audit there, JSON as text.
    """

    audit: _Head


def words_of(text: str, most: int = WORDS) -> str:
    """Return a text that can be sent: not too long, and UTF-8."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return shown.encode(errors="replace").decode()


def read_answer(payload: JSON) -> bytes | StderrHead | Progress | Outcome:
    """Return what a payload of the answer is. Raises: ExchangeFailure ``bad_answer``."""
    if isinstance(payload, bytes):
        return payload
    try:
        if isinstance(payload, dict) and "progress" in payload:
            return msgspec.convert(payload, Progress)
        if isinstance(payload, dict) and "stderr" in payload:
            return msgspec.convert(payload, StderrHead)
        return msgspec.convert(payload, Outcome)
    except msgspec.ValidationError as error:
        raise ExchangeFailure(
            "bad_answer", f"what the other node sent is no answer: {error}"
        ) from None


def read_last_head(payload: JSON) -> str:
    """Return the head of the audit that comes behind an outcome; nothing where it is none."""
    try:
        return msgspec.convert(payload, LastHead).audit
    except msgspec.ValidationError:
        return ""
