"""Plain mappings into attrs classes, with every mistake found and named by its path."""

from __future__ import annotations

import collections.abc
import math
import typing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import attrs
import cattrs

from clawmatrix_core.config.kinds import (
    COLLECTIONS,
    choices_of,
    is_choice,
    is_list,
    is_mapping,
    is_own,
    is_union,
)
from clawmatrix_core.config.messages import Problem, Problems, in_words, listed, show
from clawmatrix_core.config.schema import fields_of
from clawmatrix_core.config.types import Secret, Source, read_path

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["make_converter", "read_table"]

T = TypeVar("T")
Reader: TypeAlias = "Callable[[cattrs.Converter, Any, object], object]"


def make_converter(source: Source) -> cattrs.Converter:
    """Return a converter that takes each value strictly as what it is, and raises Problems.

    It is meant for classes that ``check_class`` has passed.
    """

    def scalar(value: object, kind: Any) -> object:
        # cattrs finds hooks of str, int and float for their subclasses too.
        if is_own(kind):
            return _read_own(kind, value, source)
        if is_choice(kind):
            return _read_choice(kind, value)
        return _read_path(value, source) if kind is Path else _read_plain(kind, value)

    converter = cattrs.Converter()
    for simple in (str, int, float, bool, Path):
        converter.register_structure_hook(simple, scalar)
    readers: tuple[tuple[Callable[[Any], bool], Reader], ...] = (
        (attrs.has, read_table),
        (is_union, _read_union),
        (is_mapping, _read_mapping),
        (is_list, _read_list),
        (is_choice, lambda _, kind, value: _read_choice(kind, value)),
        (is_own, lambda _, kind, value: _read_own(kind, value, source)),
        (lambda kind: kind is object, lambda _, kind, value: value),
    )
    for applies, reader in readers:
        converter.register_structure_hook_func(applies, _hook(reader, converter))
    return converter


def _hook(reader: Reader, converter: cattrs.Converter) -> Callable[[object, Any], object]:
    return lambda value, kind: reader(converter, kind, value)


def read_table(converter: cattrs.Converter, cls: type[T], value: object) -> T:
    """Return the attrs class made from the table. Raises: Problems, all that there are."""
    if not isinstance(value, collections.abc.Mapping):
        raise Problems.here(f"expected a table, got {show(value)}")
    fields, table = fields_of(cls), dict(value)
    problems: list[Problem] = []
    arguments: dict[str, object] = {}
    for field in sorted(fields, key=lambda field: bool(field.metadata.get("rest"))):
        rest, key = field.metadata.get("rest"), str(field.alias)
        if not rest and key not in table:
            if field.default is attrs.NOTHING:
                problems.append(Problem((key,), "is missing"))
            continue
        raw, table = (table, {}) if rest else (table.pop(key), table)
        try:
            arguments[key] = _read_field(converter, field, raw)
        except Problems as found:
            problems.extend(found.found if rest else found.under(key))
    names = tuple(str(f.alias) for f in fields if not f.metadata.get("rest"))
    problems.extend(Problem((str(key),), "unknown key", names) for key in table)
    if problems:
        raise Problems(problems)
    try:
        return cls(**arguments)
    except (ValueError, TypeError) as error:
        raise Problems.here(_reason(error)) from None


def _read_field(converter: cattrs.Converter, field: attrs.Attribute[Any], raw: object) -> object:
    value = converter.structure(raw, field.type or object)
    if field.validator is not None and field.converter is None:
        try:
            field.validator(None, field, value)
        except AttributeError:
            pass  # it looks at other fields; attrs calls it again once they are all there
        except (ValueError, TypeError) as error:
            raise Problems.here(_reason(error, field.name)) from None
    return value


def _reason(error: Exception, name: str = "") -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.removeprefix(f"'{name}' ")


def _read_plain(kind: type, value: object) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e300 else math.inf
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise Problems.here("expected a finite number")
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Problems.here(f"expected {in_words(kind)}, got {show(value)}")
    return value


def _read_path(value: object, source: Source) -> Path:
    try:
        return read_path(value, source)
    except TypeError:
        raise Problems.here(f"expected a path, got {show(value)}") from None
    except ValueError as error:
        raise Problems.here(str(error)) from None


def _read_own(kind: Any, value: object, source: Source) -> object:
    try:
        return kind.from_config(value, source)
    except TypeError:
        got = "" if issubclass(kind, Secret) else f", got {show(value)}"
        raise Problems.here(f"expected {kind.config_words}{got}") from None
    except ValueError as error:
        raise Problems.here(str(error)) from None


def _read_choice(kind: Any, value: object) -> object:
    for choice in choices_of(kind):
        plain = choice.value if isinstance(choice, Enum) else choice
        if value is choice or (type(value) is type(plain) and value == plain):
            return choice
    raise Problems.here(f"{show(value)} is not one of {listed(kind)}")


def _read_list(converter: cattrs.Converter, kind: Any, value: object) -> object:
    item_kind = typing.get_args(kind)[0]
    if not isinstance(value, (list, tuple, set, frozenset)):
        got = "" if item_kind is Secret else f", got {show(value)}"
        raise Problems.here(f"expected {in_words(kind)}{got}")
    items: list[object] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        try:
            items.append(converter.structure(item, item_kind))
        except Problems as found:
            problems.extend(found.under(index))
    if problems:
        raise Problems(problems)
    return COLLECTIONS[typing.get_origin(kind)](items)


def _read_mapping(converter: cattrs.Converter, kind: Any, value: object) -> object:
    if not isinstance(value, collections.abc.Mapping):
        raise Problems.here(f"expected a table, got {show(value)}")
    key_kind, item_kind = typing.get_args(kind)
    items: dict[object, object] = {}
    problems: list[Problem] = []
    for key, item in value.items():
        try:
            items[converter.structure(key, key_kind)] = converter.structure(item, item_kind)
        except Problems as found:
            problems.extend(found.under(str(key)))
    if problems:
        raise Problems(problems)
    return items


def _read_union(converter: cattrs.Converter, kind: Any, value: object) -> object:
    members = typing.get_args(kind)
    if value is None and type(None) in members:
        return None
    failures: list[Problems] = []
    for member in (member for member in members if member is not type(None)):
        try:
            return converter.structure(value, member)
        except Problems as found:
            failures.append(found)
    # The mistakes deepest inside belong to the member that the value was meant as.
    deepest = max(failures, key=lambda found: max(len(p.path) for p in found.found))
    if len(failures) == 1 or any(problem.path for problem in deepest.found):
        raise deepest
    raise Problems.here(f"expected {in_words(kind)}, got {show(value)}")
