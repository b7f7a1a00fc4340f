"""About how many tokens a text has, for where nobody counted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy.neutral.request import Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.request import NeutralRequest, Part

__all__ = ["prompt_tokens", "tokens_of"]

_CHARACTERS = 4
"""Of a token, on the average of English text."""


def tokens_of(characters: int) -> int:
    """Return about how many tokens so many characters are, at least one where there are any."""
    return -(-characters // _CHARACTERS)


def prompt_tokens(request: NeutralRequest) -> int:
    """Return about how many tokens the words of a request are; pictures and files count nothing."""
    said = sum(_length(part) for turn in request.turns for part in turn.parts)
    tools = sum(
        len(tool.name) + len(tool.description or "") + len(str(tool.parameters or ""))
        for tool in request.tools
    )
    return tokens_of(said + tools)


def _length(part: Part) -> int:
    match part:
        case Text(words) | Refusal(words):
            return len(words)
        case Reasoning():
            return len(part.text)
        case ToolCall():
            return len(part.name) + len(part.arguments)
        case ToolResult():
            return sum(len(one.text) for one in part.parts if isinstance(one, Text))
    return 0
