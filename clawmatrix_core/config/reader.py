"""Plain mappings into attrs classes, with every mistake found and named by its path."""

from __future__ import annotations

import collections.abc
import math
import threading
import typing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import attrs
import cattrs

from clawmatrix_core.base.text import NOT_UTF8, has_surrogates
from clawmatrix_core.config.kinds import (
    COLLECTIONS,
    choices_of,
    fields_of,
    is_annotated,
    is_choice,
    is_list,
    is_mapping,
    is_own,
    is_union,
    plain_type,
)
from clawmatrix_core.config.messages import Problem, Problems, TableMistakes, Wording
from clawmatrix_core.config.types import Secret, Source, read_path
from clawmatrix_core.config.unions import members_for

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Converter", "make_converter", "read_table"]

T = TypeVar("T")
MAX_DEPTH = 50
"""Tables and lists within each other that are read; a value nested deeper is a mistake."""

INTEGER_BITS = 64
"""A whole number of more is a mistake, and no machine counts with it."""

Reader: TypeAlias = "Callable[[Converter, Any, object], object]"


class Converter(cattrs.BaseConverter):
    """Takes each value strictly as what it is, and raises Problems in its own words.

    Another converter of cattrs would make code to write values, which nobody does here.

    It is meant for classes that ``check_class`` has passed.

    Attributes:
        words: what it says of a wrong value.
        lenient: whether it passes over keys that no field has.
        most: mistakes after which it looks for no more in a list or table.
        depth: ``now`` has the tables and lists that this thread is inside of.
    """

    words: Wording
    lenient: bool
    most: float

    def __init__(self) -> None:
        super().__init__()
        self.depth = _Depth()


class _Depth(threading.local):
    now = 0


def make_converter(
    source: Source,
    *,
    words: Wording | None = None,
    lenient: bool = False,
    most: float = math.inf,
) -> Converter:
    """Return a converter; the arguments are its attributes, and whence its values come."""
    converter = Converter()
    converter.words, converter.lenient, converter.most = words or Wording(), lenient, most

    def scalar(value: object, kind: Any) -> object:
        # cattrs finds hooks of str, int and float for their subclasses too.
        if is_own(kind):
            return own(converter, kind, value)
        if is_choice(kind):
            return _read_choice(converter, kind, value)
        if kind is Path:
            return _read_path(converter, value, source)
        return _read_plain(converter, kind, value)

    def own(_: Converter, kind: Any, value: object) -> object:
        return _read_own(converter, kind, value, source)

    for simple in (str, int, float, bool, Path):
        converter.register_structure_hook(simple, scalar)
    readers: tuple[tuple[Callable[[Any], bool], Reader], ...] = (
        (attrs.has, _inside(read_table)),
        (is_union, _read_union),
        (is_mapping, _inside(_read_mapping)),
        (is_list, _inside(_read_list)),
        (is_choice, _read_choice),
        (is_own, own),
        (is_annotated, lambda _, kind, value: converter.structure(value, plain_type(kind))),
        (lambda kind: kind is object, lambda _, kind, value: value),
    )
    for applies, reader in readers:
        converter.register_structure_hook_func(applies, _hook(reader, converter))
    return converter


def _inside(reader: Reader) -> Reader:
    """Return a reader of tables or lists that refuses values nested too deep."""

    def read(converter: Converter, kind: Any, value: object) -> object:
        depth = converter.depth
        if depth.now >= MAX_DEPTH:
            raise Problems.here("is nested too deep")
        depth.now += 1
        try:
            return reader(converter, kind, value)
        finally:
            depth.now -= 1

    return read


def _hook(reader: Reader, converter: Converter) -> Callable[[object, Any], object]:
    return lambda value, kind: reader(converter, kind, value)


def read_table(converter: Converter, cls: type[T], value: object) -> T:
    """Return the attrs class made from the table. Raises: Problems, all that there are."""
    if not isinstance(value, collections.abc.Mapping):
        raise Problems.here(converter.words.expected(cls, value))
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
            if len(problems) >= converter.most:
                break
    names = tuple(str(f.alias) for f in fields if not f.metadata.get("rest"))
    if not converter.lenient:
        problems.extend(Problem((str(key),), "unknown key", names) for key in table)
    if problems:
        raise Problems(problems)
    try:
        return cls(**arguments)
    except TableMistakes as mistakes:
        raise Problems(Problem(path, words) for path, words in mistakes.found) from None
    except Exception as error:  # noqa: BLE001 - a validator's, which may raise anything
        raise Problems.here(converter.words.refused(error)) from None


def _read_field(converter: Converter, field: attrs.Attribute[Any], raw: object) -> object:
    value = converter.structure(raw, field.type or object)
    if field.validator is not None and field.converter is None:
        try:
            field.validator(None, field, value)
        except AttributeError:
            pass  # it looks at other fields; attrs calls it again once they are all there
        except Exception as error:  # noqa: BLE001 - it may raise anything
            raise Problems.here(converter.words.refused(error, field)) from None
    return value


def _read_plain(converter: Converter, kind: type, value: object) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e300 else math.inf
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise Problems.here("expected a finite number")
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Problems.here(converter.words.expected(kind, value))
    if kind is int and isinstance(value, int) and abs(value).bit_length() > INTEGER_BITS:
        raise Problems.here(f"expected a whole number of at most {INTEGER_BITS} bits")
    if isinstance(value, str) and not value.isascii() and has_surrogates(value):
        raise Problems.here(NOT_UTF8)
    return value


def _read_path(converter: Converter, value: object, source: Source) -> Path:
    try:
        return read_path(value, source)
    except TypeError:
        raise Problems.here(converter.words.expected(Path, value)) from None
    except ValueError as error:
        raise Problems.here(str(error)) from None


def _read_own(converter: Converter, kind: Any, value: object, source: Source) -> object:
    try:
        return kind.from_config(value, source)
    except TypeError:
        hidden = issubclass(kind, Secret)
        raise Problems.here(converter.words.expected(kind, value, hidden=hidden)) from None
    except ValueError as error:
        raise Problems.here(str(error)) from None


def _read_choice(converter: Converter, kind: Any, value: object) -> object:
    for choice in choices_of(kind):
        plain = choice.value if isinstance(choice, Enum) else choice
        if value is choice or (type(value) is type(plain) and value == plain):
            return choice
    raise Problems.here(converter.words.not_a_choice(kind, value))


def _read_list(converter: Converter, kind: Any, value: object) -> object:
    item_kind = typing.get_args(kind)[0]
    if not isinstance(value, (list, tuple, set, frozenset)):
        hidden = item_kind is Secret
        raise Problems.here(converter.words.expected(kind, value, hidden=hidden))
    items: list[object] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        try:
            items.append(converter.structure(item, item_kind))
        except Problems as found:
            problems.extend(found.under(index))
            if len(problems) >= converter.most:
                break
    if problems:
        raise Problems(problems)
    try:
        return COLLECTIONS[typing.get_origin(kind)](items)
    except TypeError:
        raise Problems.here("has a value in it that cannot be in a set") from None


def _read_mapping(converter: Converter, kind: Any, value: object) -> object:
    if not isinstance(value, collections.abc.Mapping):
        raise Problems.here(converter.words.expected(kind, value))
    key_kind, item_kind = typing.get_args(kind)
    items: dict[object, object] = {}
    problems: list[Problem] = []
    for place, (key, item) in enumerate(value.items()):
        try:
            items[converter.structure(key, key_kind)] = converter.structure(item, item_kind)
        except Problems as found:
            problems.extend(found.under(converter.words.entry(str(key), place)))
            if len(problems) >= converter.most:
                break
    if problems:
        raise Problems(problems)
    return items


def _read_union(converter: Converter, kind: Any, value: object) -> object:
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    if value is None and len(members) < len(typing.get_args(kind)):
        return None
    failures: list[Problems] = []
    for member in members_for(members, value):
        try:
            return converter.structure(value, member)
        except Problems as found:
            failures.append(found)
    # The mistakes deepest inside belong to the member that the value was meant as.
    deepest = max(failures, key=lambda found: max(len(p.path) for p in found.found), default=None)
    meant = deepest is not None and any(problem.path for problem in deepest.found)
    if deepest is not None and (meant or len(members) == 1):
        raise deepest
    raise Problems.here(converter.words.expected(kind, value))
