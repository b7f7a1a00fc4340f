"""What the embedded model answers: computed from the request, the same each time."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Literal

import attrs

from clawmatrix_model_proxy.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Completion", "compute", "delay_of", "say"]

COUNT_LIMIT = 1_000_000
_INTRODUCTION = "This is the embedded model of ClawMatrix: it computes, it does not think."
_SUM = re.compile(r"(-?\d{1,30})\s*([-+*/])\s*(-?\d{1,30})")
_COUNT = re.compile(r"\bcount to (\d{1,9})\b", re.IGNORECASE)
_DELAY = re.compile(r"@(\d{1,6})ms$")
_OPERATORS: dict[str, Callable[[int, int], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@attrs.frozen
class Completion:
    """An answer, word by word.

    Attributes:
        words: what is said; joined by spaces they are the text.
        finish: why it ends there.
        prompt_tokens: the words of all messages; a word is a token here.
    """

    words: tuple[str, ...]
    finish: Literal["stop", "length"]
    prompt_tokens: int

    @property
    def text(self) -> str:
        """The whole answer."""
        return " ".join(self.words)

    @property
    def usage(self) -> dict[str, int]:
        """The usage object of the API."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": len(self.words),
            "total_tokens": self.prompt_tokens + len(self.words),
        }


def compute(request: dict[str, Any]) -> Completion:
    """Return the answer to a chat completion request. Raises: ApiError."""
    return say(request, lambda asked: " ".join(_reply(asked).split()))


def say(request: dict[str, Any], reply: Callable[[str], str]) -> Completion:
    """Return what ``reply`` makes of the user's last message, as an answer. Raises: ApiError."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages must be a list with at least one message", param="messages")
    texts = [_text(message) for message in messages]
    asked = [text for message, text in zip(messages, texts, strict=True) if _is_users(message)]
    text = reply(asked[-1] if asked else "")
    words = text.split(" ") if text else []
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    cut = isinstance(limit, int) and 0 < limit < len(words)
    prompt_tokens = sum(len(text.split()) for text in texts)
    return Completion(
        tuple(words[:limit] if cut else words), "length" if cut else "stop", prompt_tokens
    )


def delay_of(model: str, default: float) -> float:
    """Return the seconds between two words: ``anything@50ms`` asks for that."""
    match = _DELAY.search(model)
    return int(match[1]) / 1000 if match else default


def _is_users(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"


def _text(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(p.get("text", "")) for p in parts if isinstance(p, dict))


def _reply(asked: str) -> str:
    if (count := _COUNT.search(asked)) is not None:
        return " ".join(str(number) for number in range(1, min(int(count[1]), COUNT_LIMIT) + 1))
    sums = " ".join(f"{found[0]} = {_calculate(found)}." for found in _SUM.finditer(asked))
    heard = f"You wrote {len(asked.split())} words; in capitals: {asked.upper()}"
    return " ".join(part for part in (_INTRODUCTION, sums, heard) if part)


def _calculate(found: re.Match[str]) -> str:
    left, right = int(found[1]), int(found[3])
    if found[2] == "/" and right == 0:
        return "undefined"
    result = _OPERATORS[found[2]](left, right)
    return str(int(result)) if result == int(result) else f"{result:g}"
