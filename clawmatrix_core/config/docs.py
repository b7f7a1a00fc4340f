"""The reference of a configuration table, read off the class that structures it."""

from __future__ import annotations

import json
import typing
from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.config.kinds import fields_of, is_mapping, is_union, plain_type
from clawmatrix_core.config.messages import format_path, in_words
from clawmatrix_core.config.types import ByteSize

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FieldDoc", "describe"]


@attrs.frozen
class FieldDoc:
    """One option as the reference lists it.

    Attributes:
        path: the key, from the table: ``models[].api``, ``NODE.tools``.
        type: what to write, in words.
        default: as TOML would have it; None where the key is required.
        doc: what it does.
        reload: whether a change of it needs no restart.
    """

    path: str
    type: str
    default: str | None
    doc: str
    reload: bool = False

    @property
    def required(self) -> bool:
        """True where the key must be there."""
        return self.default is None


def describe(cls: type, prefix: str = "") -> list[FieldDoc]:
    """Return every option of the table, those of tables within it right behind it.

    Args:
        cls: the attrs class of the table.
        prefix: what stands before each path, such as ``http.``.

    Raises: TypeError, where a field has no type that is there at run time.
    """
    return list(_walk(cls, prefix, ()))


def _walk(
    cls: type, prefix: str, above: tuple[type, ...], reload: bool | None = None
) -> Iterator[FieldDoc]:
    """``reload`` is what the key says in which this table stands; None where it is none."""
    if cls in above:  # a table that may hold its own kind is described once
        return
    for field in fields_of(cls):
        path = prefix + format_path([str(field.alias)])
        reloads = bool(field.metadata.get("reload")) if reload is None else reload
        if field.metadata.get("rest"):
            path = prefix.removesuffix(".")
        else:
            doc = str(field.metadata.get("doc", ""))
            yield FieldDoc(path, in_words(field.type), _default(field), doc, reloads)
        name = str(field.metadata.get("name", "NAME"))
        for ending, inner in _tables_in(field.type, name):
            yield from _walk(inner, f"{path}{ending}.".removeprefix("."), (*above, cls), reloads)


def _tables_in(kind: Any, name: str) -> Iterator[tuple[str, type]]:
    """Yield each attrs class within the type, and what stands behind the key for it."""
    kind = plain_type(kind)
    if attrs.has(kind) and not hasattr(kind, "from_config"):
        yield "", kind
    elif is_union(kind):
        for member in typing.get_args(kind):
            yield from _tables_in(member, name)
    elif is_mapping(kind):
        for ending, inner in _tables_in(typing.get_args(kind)[1], name):
            yield f".{name}{ending}", inner
    elif typing.get_origin(kind) is not None and typing.get_args(kind):
        for ending, inner in _tables_in(typing.get_args(kind)[0], name):
            yield f"[]{ending}", inner


def _default(field: attrs.Attribute[Any]) -> str | None:
    if (shown := field.metadata.get("shown")) is not None:
        return str(shown)
    value: Any = field.default
    if value is attrs.NOTHING:
        return None
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        value = "" if value.takes_self else value.factory()
    return _toml(value)


def _toml(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Enum):
        return _toml(value.value)
    if isinstance(value, ByteSize):
        return json.dumps(str(value)) if value % 1024 == 0 and value else repr(int(value))
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if attrs.has(type(value)) and not hasattr(type(value), "from_config"):
        return "its own defaults"
    if isinstance(value, dict):
        return "{}" if not value else json.dumps(value, default=str)
    return json.dumps(str(value), ensure_ascii=False)
