"""The fields of the official SDKs' own request types, each with a request that has it.

A field whose values are objects only is told by the fields of these.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import typing_extensions
from anthropic.types import message_create_params as messages
from anthropic.types.beta import message_create_params as beta
from openai.types.chat import completion_create_params as chat
from openai.types.responses import response_create_params as responses

__all__ = ["REQUESTS", "SdkField", "fields_of", "walked"]

REQUESTS: dict[str, tuple[Any, ...]] = {
    "chat": (chat.CompletionCreateParamsBase,),
    "responses": (responses.ResponseCreateParamsBase,),
    "messages": (messages.MessageCreateParamsBase, beta.MessageCreateParamsBase),
}
"""By API, the types that its SDK has for the body of a request."""
NOT_IN_THE_BODY = ("betas",)
_MARKS = (
    typing.Annotated,
    typing_extensions.Required,
    typing_extensions.NotRequired,
)
_LISTS = ("list", "Iterable", "Sequence", "SequenceNotStr")


@attrs.frozen
class SdkField:
    """A field of a request type.

    Attributes:
        path: where it is: ``.`` between levels, ``[]`` for a list, ``<...>`` for one of several
            kinds of object.
        required: its object always has it.
        values: how many of its values there are to try: all of those that are words of its own.
    """

    path: str
    request: Any
    required: bool
    values: int

    @property
    def fixed(self) -> bool:
        """True where its one value says what its object is."""
        return self.values == 1

    def body(self, variant: int = 0) -> dict[str, Any]:
        """Return a request with the field; other variants have another value there."""
        return _object(self.request, "", self.path, variant)

    def without(self) -> dict[str, Any]:
        """Return the request that ``body`` returns, without the field."""
        parent, _, name = self.path.rpartition(".")
        body = _object(self.request, "", self.path, 0)
        found = [body]
        for step in parent.split(".") if parent else ():
            plain = step.split("<")[0].split("[")[0]
            found = [inner for one in found for inner in _objects(one[plain])]
        for one in found:
            one.pop(name, None)
        return body


def fields_of(api: str) -> dict[str, SdkField]:
    """Return all fields of an API's requests, by their paths."""
    found: dict[str, SdkField] = {}
    for request in REQUESTS[api]:
        for field in walked(request):
            if field.path not in NOT_IN_THE_BODY:
                found.setdefault(field.path, field)
    return found


def walked(request: Any) -> Iterator[SdkField]:
    """Give the fields of a request type."""
    return _walk(request, request, "", frozenset())


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [inner for one in value for inner in _objects(one)]
    return [value] if isinstance(value, dict) else []


def _walk(request: Any, of: Any, prefix: str, seen: frozenset[Any]) -> Iterator[SdkField]:
    for name, kind in _hints(of).items():
        path = f"{prefix}.{name}" if prefix else name
        if not all(_is_object(one) or one is type(None) for one, _ in _kinds(kind)):
            values = len(_values(kind)) or 2
            yield SdkField(path, request, name in _required(of), values)
        for inner, place in _inner(kind, path):
            if inner not in seen:
                yield from _walk(request, inner, place, seen | {of, inner})


@cache
def _hints(of: Any) -> dict[str, Any]:
    return {name: _bare(kind) for name, kind in get_type_hints(of, include_extras=True).items()}


@cache
def _required(of: Any) -> frozenset[str]:
    # The SDKs' annotations are strings, out of which Python itself does not read this.
    hints = get_type_hints(of, include_extras=True).items()
    marks = (typing_extensions.Required, typing.Required)
    return frozenset(name for name, kind in hints if get_origin(kind) in marks)


def _bare(kind: Any) -> Any:
    while get_origin(kind) in _MARKS:
        kind = get_args(kind)[0]
    return kind


def _kinds(kind: Any) -> Iterator[tuple[Any, str]]:
    """Give what a value may be, with ``[]`` for each list around it."""
    kind = _bare(kind)
    origin = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        for one in get_args(kind):
            yield from _kinds(one)
    elif getattr(origin, "__name__", "") in _LISTS:
        for inner, around in _kinds(get_args(kind)[0]):
            yield inner, f"[]{around}"
    else:
        yield kind, ""


def _inner(kind: Any, path: str) -> list[tuple[Any, str]]:
    """Return the kinds of objects that a value may be, with their places."""
    objects = [(one, around) for one, around in _kinds(kind) if _is_object(one)]
    if len(objects) == 1:
        return [(objects[0][0], path + objects[0][1])]
    tags = [_tag(one) for one, _ in objects]
    return [
        (one, f"{path}{around}<{tag if tags.count(tag) == 1 else f'{tag} {one.__name__}'}>")
        for (one, around), tag in zip(objects, tags, strict=True)
    ]


def _is_object(kind: Any) -> bool:
    return typing_extensions.is_typeddict(kind)


def _tag(kind: Any) -> str:
    hints = _hints(kind)
    for name in ("type", "role"):
        if values := _values(hints.get(name)):
            return str(values[0])
    return str(kind.__name__)


def _values(kind: Any) -> tuple[Any, ...]:
    kinds = [one for one, _ in _kinds(kind)] if kind is not None else []
    found = [get_args(one) for one in kinds if get_origin(one) is typing.Literal]
    return found[0] if len(kinds) - (type(None) in kinds) == len(found) == 1 else ()


# --- values


def _object(of: Any, prefix: str, target: str, variant: int) -> dict[str, Any]:
    """Return an object with what it must have, and with what leads to the target."""
    found = {}
    for name, kind in _hints(of).items():
        path = f"{prefix}.{name}" if prefix else name
        leads = target == path or any(target.startswith(f"{path}{c}") for c in ".<[")
        if leads or name in _required(of) or (name == "type" and prefix):
            found[name] = _value(kind, path, target, variant)
    return found


def _value(kind: Any, path: str, target: str, variant: int) -> Any:
    for inner, place in _inner(kind, path):
        if target.startswith(f"{place}."):
            lists = place[len(path) :].split("<")[0].count("[]")
            return _within(lists, _object(inner, place, target, variant))
    kinds = [(one, around) for one, around in _kinds(kind) if one is not type(None)]
    kinds.sort(key=lambda found: (_is_object(found[0]), found[1]))
    one, around = kinds[0]
    return _within(around.count("[]"), _plain(one, path, target, variant))


def _within(lists: int, value: Any) -> Any:
    for _ in range(lists):
        value = [value]
    return value


def _plain(kind: Any, path: str, target: str, variant: int) -> Any:
    variant = variant if path == target else 0
    origin = get_origin(kind)
    if origin is typing.Literal:
        values = get_args(kind)
        return values[variant % len(values)]
    if _is_object(kind):
        return _object(kind, f"{path}<{_tag(kind)}>", target, 0)
    if kind is bool:
        return variant == 0
    if kind in (int, float):
        return 1030 + variant
    if kind is str:
        return f"word{variant}"
    if origin in (dict, Mapping) or kind in (dict, object, Any):
        return {"word": variant}
    return f"word{variant}"
