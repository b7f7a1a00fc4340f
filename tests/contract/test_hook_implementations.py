"""The built-in plugins and the hooks: annotations that fit, and no hook without a user."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest

import clawmatrix_grants.hookspecs
import clawmatrix_http.hookspecs
import clawmatrix_model_proxy.hookspecs
from clawmatrix_core import hookspecs
from tests.contract.every_hook import HOOKS, SPECS, built_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


def implementations() -> list[Any]:
    """Return every implementation of a hook in the built-in plugins, as parameters."""
    registry = built_in()
    return [
        pytest.param(hook, impl.function, id=f"{impl.plugin_name}-{hook}")
        for hook in SPECS
        for impl in getattr(registry.manager.hook, hook).get_hookimpls()
    ]


def names_in(module: ModuleType) -> dict[str, Any]:
    """Return the names of a module, with those that only type checkers import."""
    names = dict(vars(module))
    for block in ast.walk(ast.parse(inspect.getsource(module))):
        if not (isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"):
            continue
        for node in block.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                home = importlib.import_module(node.module)
                names |= {a.asname or a.name: getattr(home, a.name) for a in node.names}
            elif isinstance(node, ast.Import):
                names |= {a.name: importlib.import_module(a.name) for a in node.names}
    return names


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    plain = inspect.unwrap(function)
    return typing.get_type_hints(plain, names_in(sys.modules[plain.__module__]))


def test_every_built_in_plugin_is_loaded() -> None:
    states = {info.name: (info.state, info.reason) for info in built_in().list() if info.built_in}
    assert states
    assert states == dict.fromkeys(states, ("active", None))


@pytest.mark.parametrize(("hook", "function"), implementations())
def test_annotations_equal_the_specifications(hook: str, function: Callable[..., Any]) -> None:
    spec = hints(SPECS[hook])
    impl = hints(function)
    taken = [*inspect.signature(function).parameters, "return"]
    assert {name: impl.get(name) for name in taken} == {name: spec.get(name) for name in taken}


@pytest.mark.parametrize("hook", sorted(SPECS))
def test_every_hook_has_a_user_among_the_built_in_plugins(hook: str) -> None:
    assert getattr(built_in().manager.hook, hook).get_hookimpls()


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_has_a_test(hook: str, root: Path) -> None:
    tests = [file.read_text() for file in (root / "tests").rglob("test_*.py")]
    assert any(
        re.search(rf"^(async )?def test_hook_{hook}\(", text, re.MULTILINE) for text in tests
    )


def test_the_hooks_are_all_there_is_in_their_module() -> None:
    for owner, module in (
        ("core", hookspecs),
        ("grants", clawmatrix_grants.hookspecs),
        ("http", clawmatrix_http.hookspecs),
        ("model-proxy", clawmatrix_model_proxy.hookspecs),
    ):
        own = [
            name
            for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        assert own == [hook.name for hook in HOOKS.values() if hook.owner == owner]
