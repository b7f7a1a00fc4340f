"""Which specifications a plugin may bring, and what is told of a wrong call of a hook."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, cast

import pytest

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.hookspecs import hookimpl, hookspec
from tests.core.loading.installer import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.kernel.registry import PluginRegistry


class Above:
    """Specifications whose mark stands above ``@staticmethod``."""

    @hookspec
    @staticmethod
    def register_perches(node: object, storey: int) -> list[str]:
        raise NotImplementedError

    @hookspec
    @staticmethod
    async def pigeon_landed(node: object, name: str) -> None: ...

    @hookspec(firstresult=True)
    @staticmethod
    async def find_pigeon(node: object, name: str) -> str | None: ...

    @hookspec(firstresult=True)
    @staticmethod
    def choose_loft(node: object) -> str | None: ...


class Pigeons:
    plugin_name = "pigeons"
    hookspecs = Above


class Loft:
    plugin_name, extends = "loft", ("pigeons",)

    @hookimpl
    @staticmethod
    def register_perches(storey: int) -> list[str]:
        return [f"beam {storey}"]

    @hookimpl
    @classmethod
    async def find_pigeon(cls, name: str) -> str | None:
        return f"{name} of {cls.__name__}"


def faults(registry: PluginRegistry) -> list[str | None]:
    return [info.last_fault for info in registry.active() if info.faults]


@pytest.mark.anyio
async def test_a_mark_may_stand_above_staticmethod_and_classmethod() -> None:
    registry = load(Pigeons(), Loft())
    assert [info.state for info in registry.active()] == ["active", "active"]
    found = registry.collect(Above.register_perches, str, node=None, storey=2)
    assert found == [("loft", "beam 2")]
    name = "Martha"
    assert await registry.hooks.first(Above.find_pigeon, node=None, name=name) == "Martha of Loft"


def with_self() -> Any:
    class Specs:
        @hookspec
        def register_eggs(self, node: object) -> list[str]:
            raise NotImplementedError

    return Specs


def specified(function: Callable[..., Any]) -> Any:
    return types.SimpleNamespace(register_eggs=hookspec(function))


def register_perches(node: object) -> list[str]:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("namespace", "why"),
    [
        (with_self(), "takes self, and a class gives it none: write @staticmethod above @hookspec"),
        (specified(lambda: []), "needs a first parameter, which is the node"),
        (specified(lambda *node: []), "needs a first parameter, which is the node"),
        (specified(lambda node, n=1: []), "(n=1): parameters are plain names, without defaults"),
        (specified(lambda node, *, n: []), "(n): parameters are plain names, without defaults"),
        (specified(lambda node, **n: []), "(**n): parameters are plain names, without defaults"),
    ],
)
def test_a_specification_that_nobody_could_call_puts_its_owner_out(
    namespace: Any, why: str
) -> None:
    owner = type("Owner", (), {"plugin_name": "owner", "hookspecs": namespace})
    info = load(owner()).get("owner")
    assert info is not None
    assert info.state == "failed"
    told = "its hook specifications cannot be used: specifies the hook register_eggs"
    assert info.reason == f"{told}{'' if why.startswith('(') else ' '}{why}"


def test_methods_of_an_object_may_be_specifications() -> None:
    specs = with_self()()
    registry = load(type("Owner", (), {"plugin_name": "owner", "hookspecs": specs})())
    assert [info.state for info in registry.active()] == ["active"]
    assert registry.collect(specs.register_eggs, str, node=None) == []


def test_a_hook_whose_owner_is_not_loaded_is_an_error_that_names_it() -> None:
    registry = load(Loft())
    why = "no plugin that is loaded specifies the hook register_perches"
    with pytest.raises(LocalProtocolError, match=why):
        registry.collect(Above.register_perches, str, node=None, storey=2)
    with pytest.raises(LocalProtocolError, match="the hook len"):
        registry.collect(cast("Any", len), str)


def test_another_function_of_the_same_name_is_an_error() -> None:
    registry = load(Pigeons(), Loft())
    with pytest.raises(LocalProtocolError, match="belongs to pigeons, which specifies it with an"):
        registry.collect(register_perches, str, node=None)
    assert faults(registry) == []


@pytest.mark.anyio
async def test_a_wrong_verb_is_an_error_of_the_caller_and_no_fault_of_others() -> None:
    registry = load(Pigeons(), Loft())
    hooks: Any = registry.hooks
    wrong = {
        "register_perches is called with collect, not with notify": hooks.notify(
            Above.register_perches, node=None, storey=1
        ),
        "pigeon_landed is called with notify, not with first": hooks.first(
            Above.pigeon_landed, node=None, name="Martha"
        ),
        "find_pigeon is called with first, not with notify": hooks.notify(
            Above.find_pigeon, node=None, name="Martha"
        ),
        "choose_loft is called with ask, not with one": hooks.one(
            "loft", Above.choose_loft, node=None
        ),
    }
    for why, call in wrong.items():
        with pytest.raises(LocalProtocolError, match=why):
            await call
    for spec, verb in ((Above.pigeon_landed, "notify"), (Above.find_pigeon, "first")):
        with pytest.raises(LocalProtocolError, match=f"with {verb}, not with collect"):
            hooks.collect(spec, node=None, name="Martha")
    with pytest.raises(LocalProtocolError, match="choose_loft is called with ask, not with coll"):
        hooks.collect(Above.choose_loft, node=None)
    with pytest.raises(LocalProtocolError, match="frame_received is called with frame, not with"):
        hooks.collect(hookspecs.frame_received, node=None, frame=None)
    assert faults(registry) == []


def test_a_missing_argument_is_an_error_of_the_caller() -> None:
    registry = load(Pigeons(), Loft())
    collect: Any = registry.collect
    with pytest.raises(TypeError, match="missing a required argument: 'storey'"):
        collect(Above.register_perches, str, node=None)
    assert faults(registry) == []


@pytest.mark.parametrize("given", ["two", b"two", {"two": 2}])
def test_a_text_in_the_place_of_a_list_is_a_fault_of_its_plugin(given: Any) -> None:
    class Careless:
        plugin_name, extends = "careless", ("pigeons",)

        @hookimpl
        def register_perches(self) -> Any:
            return given

    registry = load(Pigeons(), Careless(), Loft())
    found = registry.collect(Above.register_perches, str, node=None, storey=2)
    assert found == [("loft", "beam 2")]
    kind = type(given).__name__
    assert faults(registry) == [f"register_perches: TypeError: gave a {kind}, not a list"]
