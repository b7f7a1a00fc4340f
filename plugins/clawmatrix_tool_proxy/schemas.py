"""The arguments of a typed function as a class, and the JSON Schema of that class."""

from __future__ import annotations

import copy
import inspect
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import msgspec

from clawmatrix_tool_proxy.docstrings import described
from clawmatrix_tool_proxy.tool import ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import JSON

__all__ = ["Shape", "shape_of"]


@attrs.frozen
class Shape:
    """What a typed function takes.

    Attributes:
        arguments: a class with a field for each argument.
        schema: its JSON Schema, with ``type: object`` at the root.
        description: what the function does.
        call: the name of the parameter that takes the ToolCall, None without one.
    """

    arguments: type[msgspec.Struct]
    schema: Mapping[str, JSON]
    description: str
    call: str | None


def shape_of(function: Callable[..., object]) -> Shape:
    """Read the signature and the docstring of a function. Raises: TypeError, with its name."""
    name = getattr(function, "__name__", repr(function))
    try:
        return _shape(function, name)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _shape(function: Callable[..., object], name: str) -> Shape:
    description, texts = described(function)
    kinds = _annotations(function)
    fields: list[tuple[str, Any, Any]] = []
    call = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"the parameter {parameter.name} has no name that a caller can give")
        if parameter.name not in kinds:
            raise TypeError(f"the parameter {parameter.name} has no annotation")
        if kinds[parameter.name] is ToolCall:
            call = parameter.name
        else:
            text = texts.get(parameter.name, "")
            fields.append(_field(parameter, kinds[parameter.name], text))
    arguments = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
    return Shape(arguments, _schema(arguments), description, call)


def _annotations(function: Callable[..., object]) -> Mapping[str, Any]:
    parts = {name: kind for name, kind in _raw(function).items() if name != "return"}
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    told = types.SimpleNamespace(__annotations__=parts)
    try:
        return typing.get_type_hints(told, scope, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the name {error.name} of an annotation is not defined where the function is;"
            " import it at the top of the module, and not below TYPE_CHECKING"
        ) from None


def _raw(function: Callable[..., object]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(inspect.unwrap(function), "__annotations__", {})
    return found


def _field(parameter: inspect.Parameter, kind: Any, text: str) -> tuple[str, Any, Any]:
    told = Annotated[kind, msgspec.Meta(description=text)] if text else kind
    default = parameter.default
    if default is parameter.empty:
        return parameter.name, told, msgspec.field()
    if isinstance(default, list | dict | set | bytearray):
        return (
            parameter.name,
            told,
            msgspec.field(default_factory=lambda: copy.deepcopy(default)),
        )
    return parameter.name, told, msgspec.field(default=default)


def _schema(arguments: type[msgspec.Struct]) -> Mapping[str, JSON]:
    """Return the schema with its root in place: many clients want no reference there."""
    whole = msgspec.json.schema(arguments)
    parts: dict[str, dict[str, JSON]] = whole.pop("$defs")
    root = parts.pop(whole["$ref"].removeprefix("#/$defs/"))
    root.pop("title", None)
    root.setdefault("required", [])
    if parts:
        root["$defs"] = parts
    if _has_pattern(root):
        raise TypeError(
            "a pattern would be matched on the event loop, and some texts take minutes:"
            " look at the text in the function"
        )
    return root


def _has_pattern(schema: JSON) -> bool:
    match schema:
        case {"pattern": str()}:
            return True
        case dict():
            return any(map(_has_pattern, schema.values()))
        case list():
            return any(map(_has_pattern, schema))
    return False
