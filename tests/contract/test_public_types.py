"""What is public says its types: ``Any`` stands for JSON only, and is then called ``JSON``."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

import clawmatrix_core
from clawmatrix_core import hookspecs

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = (
    "clawmatrix_core",
    "clawmatrix_core.acceptance",
    "clawmatrix_core.cli",
    "clawmatrix_core.spi",
    "clawmatrix_core.testing",
    "clawmatrix_http.api",
    "clawmatrix_mesh.api",
    "clawmatrix_model_proxy.api",
)
"""The modules whose ``__all__`` is public."""

HOOKSPECS = (
    hookspecs,
    importlib.import_module("clawmatrix_http.hookspecs"),
    importlib.import_module("clawmatrix_model_proxy.hookspecs"),
)

SPECIAL = ("__init__", "__call__", "__aenter__", "__anext__", "__enter__", "__iter__")


EXEMPT = {
    "clawmatrix_core.ConfigSection": "its check is given the table, an object of its own class",
    "clawmatrix_core.option": "what a field has is of any type, as with attrs.field",
}


def public_things() -> list[tuple[str, object]]:
    """Return every public name with what it stands for, and every hook."""
    named = [
        (f"{module}.{name}", getattr(importlib.import_module(module), name))
        for module in MODULES
        for name in importlib.import_module(module).__all__
    ]
    hooks = [
        (f"{module.__name__}.{name}", value)
        for module in HOOKSPECS
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    return [(name, thing) for name, thing in [*named, *hooks] if name not in EXEMPT]


def seen_types(name: str, thing: object) -> Iterator[tuple[str, str]]:
    """Yield each annotation that whoever uses the thing sees, as it is written."""
    if inspect.isclass(thing):
        for cls in (cls for cls in thing.__mro__ if cls.__module__.startswith("clawmatrix_")):
            yield from _of_class(name, cls)
    elif inspect.isfunction(thing):
        yield from _of_function(name, thing)


def _of_class(name: str, cls: type) -> Iterator[tuple[str, str]]:
    for attribute, kind in vars(cls).get("__annotations__", {}).items():
        if not attribute.startswith("_"):
            yield f"{name}.{attribute}", str(kind)
    for attribute, value in vars(cls).items():
        if not attribute.startswith("_") or attribute in SPECIAL:
            function = value.fget if isinstance(value, property) else value
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function):
                yield from _of_function(f"{name}.{attribute}", function)


def _of_function(name: str, function: Any) -> Iterator[tuple[str, str]]:
    for parameter, kind in inspect.unwrap(function).__annotations__.items():
        yield f"{name}({parameter})", str(kind)


def untyped(name: str, thing: object) -> list[str]:
    """Return the annotations in which ``Any`` stands."""
    found = [f"{place}: {kind}" for place, kind in seen_types(name, thing)]
    return [line for line in found if re.search(r"\bAny\b", line)]


@pytest.mark.parametrize("name", [name for name, _ in public_things()])
def test_no_public_annotation_is_any(name: str) -> None:
    assert untyped(name, dict(public_things())[name]) == []


def test_most_public_names_have_annotations_that_are_looked_at() -> None:
    counted = {name: len(list(seen_types(name, thing))) for name, thing in public_things()}
    assert counted["clawmatrix_core.Node"] > 60
    assert counted["clawmatrix_core.Exchange"] > 20
    assert sum(count > 0 for count in counted.values()) > 80


def test_what_is_exempt_needs_it() -> None:
    assert all(untyped(name, getattr(clawmatrix_core, name.split(".")[1])) for name in EXEMPT)


def test_any_is_found_wherever_it_stands() -> None:
    class Loose:
        field: list[Any]
        _inside: Any

        def __init__(self, first: Any) -> None: ...
        @property
        def prop(self) -> dict[str, Any]:
            return {}

        @classmethod
        def made(cls) -> Any: ...
        @staticmethod
        def plain(value: Any) -> None: ...
        async def waits(self, *rest: Any) -> None: ...
        def _own(self, value: Any) -> None: ...

    Loose.__module__ = "clawmatrix_core.loose"
    places = [line.partition(":")[0] for line in untyped("Loose", Loose)]
    assert places == [
        "Loose.field",
        "Loose.__init__(first)",
        "Loose.prop(return)",
        "Loose.made(return)",
        "Loose.plain(value)",
        "Loose.waits(rest)",
    ]
