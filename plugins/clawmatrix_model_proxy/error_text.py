"""What an error says, in whichever shape a server writes it. Pure.

There are about as many shapes as servers: ``{"error": {"message": ...}}``, ``{"error": "..."}``,
``{"detail": ...}``, ``{"message": ...}``, a list of one of these, the error of another server as a
text inside, or words that are no JSON.
"""

from __future__ import annotations

import msgspec

from clawmatrix_core import Bound
from clawmatrix_model_proxy.json_values import NOT_JSON, decode

__all__ = ["DEPTH", "MESSAGES", "WORDS", "ErrorText", "error_text", "error_text_of"]

DEPTH = Bound(
    6,
    "levels of an error that are looked into",
    fed_by="an upstream",
    when_full="what is deeper is not looked at",
)
MESSAGES = Bound(
    8,
    "messages, and codes, that are read of one error",
    fed_by="an upstream",
    when_full="further ones are not looked at",
)
WORDS = Bound(
    2000,
    "characters of one message of an error that are looked at",
    fed_by="an upstream",
    when_full="the rest of the message is not looked at",
)
_CODES = (
    "code",
    "type",
    "status",
    "error_type",
    "error_code",
    "errorType",
    "__type",
    "status_code",
)
_SAID = (
    "message",
    "Message",
    "detail",
    "msg",
    "status_msg",
    "error_message",
    "error_msg",
    "errorMessage",
    "error_description",
)
_WITHIN = ("error", "errors", "exception", "base_resp", "innererror", "metadata", "raw", "response")
"""Members that hold an error, or more of it."""


class ErrorText(msgspec.Struct):
    """What an error says.

    Attributes:
        codes: its codes and types, as text, the outermost first.
        numbers: those of its codes that are numbers.
        messages: its sentences, the outermost first.
        param: what the error is about, where it says so.
        plain: whether it is words alone, without any fields.
    """

    codes: list[str] = msgspec.field(default_factory=list)
    numbers: list[int] = msgspec.field(default_factory=list)
    messages: list[str] = msgspec.field(default_factory=list)
    param: str | None = None
    plain: bool = False

    @property
    def code(self) -> str | None:
        """The first of its codes."""
        return self.codes[0] if self.codes else None

    @property
    def message(self) -> str:
        """The first of its sentences, empty without one."""
        return self.messages[0] if self.messages else ""

    @property
    def text(self) -> str:
        """All of its sentences."""
        return "\n".join(self.messages)

    @property
    def full(self) -> bool:
        """Whether no more of it is read."""
        return max(len(self.codes), len(self.numbers), len(self.messages)) >= MESSAGES


def error_text(body: bytes) -> ErrorText:
    """Return what the body of an error says."""
    try:
        return error_text_of(decode(body))
    except NOT_JSON:
        return error_text_of(body[: 4 * WORDS].decode(errors="replace"))


def error_text_of(error: object) -> ErrorText:
    """Return what an error says that is decoded, or a text."""
    found = ErrorText(plain=isinstance(error, str))
    _collect(error, found, 0)
    return found


def _collect(error: object, found: ErrorText, depth: int) -> None:
    if depth > DEPTH or found.full:
        return
    if isinstance(error, str):
        _collect_text(error.strip(), found, depth)
    elif isinstance(error, list):
        for one in error[: int(MESSAGES)]:
            _collect(one, found, depth + 1)
    elif isinstance(error, dict):
        _collect_fields(error, found, depth)


def _collect_text(text: str, found: ErrorText, depth: int) -> None:
    """Take a text for a sentence, unless it is the JSON of another error."""
    if text[:1] in ("{", "["):
        try:
            _collect(decode(text.encode(errors="replace")), found, depth + 1)
        except NOT_JSON:
            pass
        else:
            return
    if text:
        found.messages.append(text[:WORDS])


def _collect_fields(error: dict[str, object], found: ErrorText, depth: int) -> None:
    for name in _CODES:
        code = error.get(name)
        if isinstance(code, str) and code not in ("", "error"):  # which every error of Anthropic is
            found.codes.append(code[:WORDS])
        elif type(code) is int:
            found.numbers.append(code)
    found.param = found.param or _param_of(error)
    for name in (*_SAID, *_WITHIN):
        if name in error:
            _collect(error[name], found, depth + 1)


def _param_of(error: dict[str, object]) -> str | None:
    """Return what an error is about: by OpenAI's name for it, or as validators give a place."""
    param, place = error.get("param"), error.get("loc")
    if isinstance(param, str) and param:
        return param[:WORDS]
    if isinstance(place, list):
        parts = [str(part) for part in place[: int(MESSAGES)] if part != "body"]
        return ".".join(parts)[:WORDS] or None
    return None
