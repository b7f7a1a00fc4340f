"""A client's Responses request, read."""

from __future__ import annotations

from typing import Any

from clawmatrix_model_proxy.convert.responses.input_items import read_input
from clawmatrix_model_proxy.convert.responses.tools import read_choice, read_format, read_tools
from clawmatrix_model_proxy.convert.responses.typed_values import (
    list_at,
    object_at,
    optional_text_at,
)
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn
from clawmatrix_model_proxy.neutral.settings import read_settings, refuse_rest

__all__ = ["INCLUDED", "read_request"]

INCLUDED = {
    "encrypted_reasoning": "reasoning.encrypted_content",
    "logprobs": "message.output_text.logprobs",
}
"""Settings, and the words in ``include`` that ask for them."""

_BY_NAME: tuple[tuple[str, str, type, str], ...] = (
    ("max_tokens", "max_output_tokens", int, "an integer"),
    ("store", "store", bool, "true or false"),
    ("service_tier", "service_tier", str, "a string"),
)
_IDLE = {("reasoning", "context"): "auto", ("reasoning", "mode"): "standard"}


def read_request(body: dict[str, Any]) -> NeutralRequest:
    """Read a request. Raises: Unsupported."""
    rest = {name: dict(value) if isinstance(value, dict) else value for name, value in body.items()}
    rest.pop("model", None)
    stream, parallel = rest.pop("stream", None), _parallel(rest.pop("parallel_tool_calls", None))
    turns = (*_instructions(rest.pop("instructions", None)), *read_input(rest.pop("input", None)))
    tools, choice = read_tools(rest.pop("tools", None)), read_choice(rest.pop("tool_choice", None))
    form = read_format(_take_inner(rest, "text", "format"))
    options = _stream_options(rest.pop("stream_options", None))
    settings = _settings(rest)
    if stream is True and options:
        settings["stream_options"] = options
    _refuse(rest)
    return NeutralRequest(
        "responses", turns, tools, choice, parallel, form, stream is True, settings
    )


def _stream_options(value: Any) -> dict[str, Any]:
    """Return the one option that is about what is sent; others are about how it is cut."""
    options = {} if value is None else object_at(value, "stream_options")
    padding = options.get("include_obfuscation")
    return {} if padding is None else {"include_obfuscation": padding}


def _parallel(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise Unsupported("parallel_tool_calls", "must be true or false")
    return value


def _instructions(value: Any) -> tuple[Turn, ...]:
    """Return what is said before the conversation: a turn of the developer's, by itself."""
    words = optional_text_at(value, "instructions")
    return () if not words else (Turn("developer", (Text(words),)),)


def _settings(rest: dict[str, Any]) -> dict[str, Any]:
    found = _include(rest.pop("include", None))
    effort = optional_text_at(_take_inner(rest, "reasoning", "effort"), "reasoning.effort")
    summary = _summary(rest, "summary") or _summary(rest, "generate_summary")
    for name, place, kind, words in _BY_NAME:
        value = rest.pop(place, None)
        if value is None:
            continue
        if type(value) is not kind:
            raise Unsupported(place, f"must be {words}")
        found[name] = value
    if effort is not None:
        found["effort"] = effort
    found.update(read_settings("responses", rest))
    if summary is not None:
        found["reasoning_summary"] = summary
    if "logprobs" not in found:
        found.pop("top_logprobs", None)  # they come only where they are included
    return found


def _summary(rest: dict[str, Any], name: str) -> str | None:
    return optional_text_at(_take_inner(rest, "reasoning", name), f"reasoning.{name}")


def _include(value: Any) -> dict[str, Any]:
    names = {word: name for name, word in INCLUDED.items()}
    found: dict[str, Any] = {}
    for number, word in enumerate(list_at(value, "include") if value is not None else ()):
        if not isinstance(word, str) or word not in names:
            raise Unsupported(f"include[{number}]", f"{word} is nothing that another API has")
        found[names[word]] = True
    return found


def _take_inner(rest: dict[str, Any], outer: str, name: str) -> Any:
    inner = rest.get(outer)
    return inner.pop(name, None) if isinstance(inner, dict) else None


def _refuse(rest: dict[str, Any]) -> None:
    for outer in ("text", "reasoning"):
        inner = rest.get(outer)
        if isinstance(inner, dict):
            del rest[outer]
            refuse_rest(
                {
                    f"{outer}.{name}": value
                    for name, value in inner.items()
                    if _IDLE.get((outer, name)) != value
                }
            )
    refuse_rest(rest)
