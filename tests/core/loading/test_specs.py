"""Hooks that plugins specify, and plugins that implement hooks of others."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.hookspecs import hookimpl, hookspec
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.loading.specs import HookSpecs
from tests.core.loading.installer import GOOD, Installer, load

if TYPE_CHECKING:
    from clawmatrix_core.loading.plugin_info import PluginInfo

SPECS = """
from clawmatrix_core import hookspec

@hookspec
def register_perches(node): ...

@hookspec
async def pigeon_landed(node, name): ...
"""

PERCH = """
from clawmatrix_core import hookimpl

class Plugin:
    extends = ("pigeons",)

    @hookimpl
    def register_perches(self):
        return ["roof"]
"""


def infos(*chosen: object) -> dict[str, PluginInfo]:
    return {info.name: info for info in load(*chosen).list()}


def said_of(info: PluginInfo) -> tuple[str, str | None, tuple[str, ...]]:
    return (info.state, info.reason, info.waits_for)


# --- owners


def test_a_hook_has_an_owner_and_a_kind() -> None:
    specs = HookSpecs()
    found = {spec.name: (spec.owner, spec.kind, spec.is_async) for spec in specs}
    assert found["register_config"] == ("core", "collect", False)
    assert found["frame_received"] == ("core", "frame", False)
    assert found["peer_changed"] == ("core", "notify", True)
    assert found["path_status"] == ("core", "first", True)
    assert found["compute_routes"] == ("core", "first", False)
    assert found["authorize"] == ("core", "every", True)
    assert found["audit_record"] == ("core", "demand", True)


@pytest.mark.parametrize("hook", ["register_config", "register_http_routes"])
def test_a_hook_that_has_an_owner_cannot_be_taken(install: Installer, hook: str) -> None:
    install("pigeons", specs=SPECS.replace("register_perches", hook))
    info = infos("pigeons")["pigeons"]
    owner = "core" if hook == "register_config" else "http"
    assert info.state == "failed"
    assert info.reason == (
        f"its hook specifications cannot be used: specifies the hook {hook}, which belongs to"
        f" {owner}"
    )


def test_none_of_the_hooks_is_added_where_one_cannot_be(install: Installer) -> None:
    install("pigeons", specs=SPECS.replace("pigeon_landed", "node_started"))
    install("perch", PERCH)
    found = infos("pigeons", "perch")
    assert found["pigeons"].state == "failed"
    assert said_of(found["perch"]) == ("active", None, ("pigeons",))
    assert found["perch"].hooks == ()


@pytest.mark.parametrize(
    ("specs", "why"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("", "specifies no hooks"),
    ],
)
def test_specifications_that_cannot_be_read_put_their_owner_out(
    install: Installer, specs: str, why: str
) -> None:
    install("pigeons", specs=specs)
    install("good")
    found = infos("pigeons", "good")
    assert found["pigeons"].reason == f"its hook specifications cannot be used: {why}"
    assert found["good"].state == "active"


def test_a_broken_specification_of_a_plugin_that_is_not_chosen_costs_nothing(
    install: Installer,
) -> None:
    install("pigeons", specs="raise RuntimeError('no licence')")
    install("good")
    found = infos("good")
    assert said_of(found["good"]) == ("active", None, ())
    assert found["pigeons"].state == "disabled"


def test_of_two_distributions_with_specifications_for_one_plugin_the_first_counts(
    install: Installer, caplog: pytest.LogCaptureFixture
) -> None:
    install("pigeons", specs=SPECS, distribution="a-first")
    install("pigeons", None, specs=SPECS, distribution="b-second")
    assert infos("pigeons")["pigeons"].state == "active"
    assert "those of a-first are used, those of b-second are left out" in caplog.text


def test_built_in_specifications_cannot_be_replaced(install: Installer) -> None:
    install("http", specs=SPECS, distribution="a-first")
    registry = load("http")
    assert registry.manager.specs.get("register_perches") is None
    assert registry.manager.specs.get("register_http_routes") is not None


# --- extending


def test_an_implementation_is_called_where_its_owner_works(install: Installer) -> None:
    install("pigeons", specs=SPECS)
    install("perch", PERCH)
    registry = load("pigeons", "perch")
    info = registry.get("perch")
    assert info is not None
    assert said_of(info) == ("active", None, ())
    assert info.hooks == ("register_perches",)
    assert "waitsFor" not in info.to_json()
    spec = registry.manager.specs.get("register_perches")
    assert spec is not None
    assert spec.owner == "pigeons"
    assert registry.collect(spec.function, str, node=None) == [("perch", "roof")]


def test_one_whose_owner_is_not_chosen_waits(install: Installer) -> None:
    install("pigeons", "raise SystemExit('imported')", specs=SPECS)
    install("perch", PERCH)
    info = infos("perch")["perch"]
    assert said_of(info) == ("active", None, ("pigeons",))
    assert info.hooks == ("register_perches",)
    assert info.to_json()["waitsFor"] == ["pigeons"]


def test_one_whose_owner_is_not_installed_waits(install: Installer) -> None:
    install("perch", PERCH)
    info = infos("perch")["perch"]
    assert said_of(info) == ("active", None, ("pigeons",))
    assert info.hooks == ()


def test_one_whose_owner_fails_waits_from_then_on(install: Installer) -> None:
    install("pigeons", specs=SPECS)
    install("perch", PERCH)
    registry = load("pigeons", "perch")
    owner, perch = registry.get("pigeons"), registry.get("perch")
    assert owner is not None
    assert perch is not None
    registry.fail(owner, "the loft burnt down")
    assert perch.waits_for == ("pigeons",)


def test_a_misspelt_hook_of_an_owner_that_is_installed_is_an_error(install: Installer) -> None:
    install("pigeons", specs=SPECS)
    install("perch", PERCH.replace("register_perches", "register_perchs"))
    info = infos("perch")["perch"]
    assert said_of(info) == ("failed", "implements hooks that do not exist: register_perchs", ())


@pytest.mark.parametrize("extends", ["silent", "perch", "core"])
def test_one_that_specifies_no_hooks_excuses_no_unknown_ones(
    install: Installer, extends: str
) -> None:
    install("silent")
    install("perch", PERCH.replace("pigeons", extends))
    assert infos("perch", "silent")["perch"].reason == (
        "implements hooks that do not exist: register_perches"
    )


def test_an_object_that_specifies_no_hooks_excuses_no_unknown_ones() -> None:
    class Roost:
        extends = ("Names",)

        @hookimpl
        def register_roosts(self) -> list[str]:
            return []

    assert infos(Roost(), Names("Names"))["Roost"].state == "failed"
    assert infos(Roost())["Roost"].state == "active"


def test_an_owner_whose_specifications_cannot_be_used_excuses_unknown_hooks(
    install: Installer,
) -> None:
    install("pigeons", specs="raise LookupError('no loft')")
    install("perch", PERCH)
    assert said_of(infos("perch")["perch"]) == ("active", None, ("pigeons",))


def test_a_hook_of_an_owner_that_is_not_named_is_an_error(install: Installer) -> None:
    install("pigeons", specs=SPECS)
    install("perch", PERCH.replace('("pigeons",)', "()"))
    info = infos("pigeons", "perch")["perch"]
    assert info.state == "failed"
    assert info.reason == (
        "implements hooks of plugins that it does not extend: register_perches of pigeons"
    )


def test_an_optional_implementation_of_a_foreign_hook_needs_the_word_too(
    install: Installer,
) -> None:
    source = PERCH.replace('("pigeons",)', "()").replace(
        "@hookimpl", "@hookimpl(optionalhook=True)"
    )
    install("perch", source)
    assert infos("perch")["perch"].state == "active"
    install("pigeons", specs=SPECS)
    assert infos("perch")["perch"].state == "failed"


@pytest.mark.parametrize("extends", ["'pigeons'", "(3,)", "None"])
def test_what_extends_may_be(install: Installer, extends: str) -> None:
    install("perch", PERCH.replace('("pigeons",)', extends))
    info = infos("perch")["perch"]
    assert info.state == "failed"
    assert 'extends must be a tuple of plugin names, as in extends = ("http",)' in str(info.reason)


def test_colour_and_parameters_are_held_to_a_plugins_specification(install: Installer) -> None:
    install("pigeons", specs=SPECS)
    install("blue", PERCH.replace("def register", "async def register"))
    install("odd", PERCH.replace("(self)", "(self, perches)"))
    found = infos("pigeons", "blue", "odd")
    assert found["blue"].reason == (
        "does not fit the hooks: hook 'register_perches' must be a plain def"
    )
    assert "register_perches(perches)" in str(found["odd"].reason)


# --- objects


class Loft:
    plugin_name = "loft"

    def __init__(self) -> None:
        self.hookspecs = SimpleNamespace(pigeon_landed=pigeon_landed)


@hookspec
async def pigeon_landed(node: object, name: str) -> None:
    """Note that a pigeon has landed."""


class Watches:
    extends = ("loft",)

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    async def pigeon_landed(self, name: str) -> None:
        if name == "hawk":
            raise LookupError("no pigeon")
        if name == "slow":
            await anyio.sleep_forever()
        self.seen.append(name)


def test_an_object_brings_specifications_wherever_it_stands_among_the_plugins() -> None:
    for chosen in ([Loft(), Watches()], [Watches(), Loft()]):
        registry = load(*chosen)
        assert [info.state for info in registry.active()] == ["active", "active"]
        spec = registry.manager.specs.get("pigeon_landed")
        assert spec is not None
        assert spec.owner == "loft"


@pytest.mark.anyio
async def test_budgets_and_fault_boundaries_are_those_of_the_core() -> None:
    watches, after = Watches(), Watches()
    registry = PluginRegistry(budget=0.05)
    registry.load([Loft(), watches, after])
    for name in ("hawk", "slow", "Martha"):
        await registry.hooks.notify(pigeon_landed, node=None, name=name)
    assert watches.seen == after.seen == ["Martha"]
    info = registry.get("Watches")
    assert info is not None
    assert info.faults == 2
    assert info.last_fault == "pigeon_landed: Overrun: took over 0.05 s"


def test_an_object_stands_in_for_the_plugin_of_its_name_that_was_not_chosen(
    install: Installer,
) -> None:
    install("loft", GOOD)
    registry = load("relay", Loft())
    info = registry.get("loft")
    assert info is not None
    assert (info.state, info.distribution) == ("active", "clawmatrix-loft")
    assert isinstance(info.plugin, Loft)
    assert registry.list()[-1] is info  # in the place of an object


PERCHED = """
from clawmatrix_core import hookimpl
from {specs} import register_perches

class Plugin:
    plugin_name = "pigeons"
    hookspecs = __import__("{specs}")

    @hookimpl
    def register_perches(self):
        return ["roof"]
"""


@pytest.mark.parametrize("made", [True, False], ids=["object", "class"])
def test_an_object_may_bring_the_specifications_that_its_distribution_brings_too(
    install: Installer, made: bool
) -> None:
    specs = install.module("pigeons") + "_clawmatrix_pigeons_specs"
    install("pigeons", PERCHED.format(specs=specs), specs=SPECS)
    kind = importlib.import_module(install.module("pigeons")).Plugin
    registry = load(kind() if made else kind)
    info = registry.get("pigeons")
    assert info is not None
    assert (info.state, info.reason) == ("active", None)
    assert [one.name for one in registry.manager.specs if one.owner == "pigeons"] == [
        "register_perches",
        "pigeon_landed",
    ]
    assert registry.collect(kind.hookspecs.register_perches, str, node=None) == [
        ("pigeons", "roof")
    ]


def test_another_specification_of_ones_own_hook_is_refused(install: Installer) -> None:
    install("loft", specs=SPECS)
    info = infos(Loft())["loft"]
    assert info.state == "failed"
    module = install.module("loft") + "_clawmatrix_loft_specs"
    assert info.reason == (
        "its hook specifications cannot be used: specifies the hook pigeon_landed, which loft has"
        f" already, from {module}"
    )


# --- collisions


class Names:
    def __init__(self, name: str, *values: str) -> None:
        self.plugin_name = name
        self.values = values


def test_of_two_values_with_one_name_the_first_loaded_is_kept_and_both_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = load(Names("a"), Names("b"), Names("c"))
    found: list[tuple[str, Any]] = [("a", "x1"), ("b", "x2"), ("b", "y1"), ("c", "z1")]

    def kept() -> list[tuple[str, Any]]:
        return [*registry.unique("pigeon", found, lambda value: value[0])]

    assert kept() == kept() == [("a", "x1"), ("b", "y1"), ("c", "z1")]
    words = "pigeon x: a has it, that of b is left out"
    told = {info.name: info.to_json().get("collisions") for info in registry.active()}
    assert told == {"a": [words], "b": [words], "c": None}
    assert caplog.text.count(words) == 1


# --- what may specify


class FirstSpecs:
    @staticmethod
    @hookspec
    def register_roosts(node: object) -> None: ...


class MoreSpecs(FirstSpecs):
    @staticmethod
    @hookspec
    def register_eggs(node: object) -> None: ...


@pytest.mark.parametrize("namespace", [MoreSpecs, MoreSpecs()])
def test_inherited_specifications_count_as_they_do_for_pluggy(namespace: Any) -> None:
    class Owner:
        plugin_name = "owner"
        hookspecs = namespace

        @hookimpl
        def register_roosts(self) -> list[str]:
            return []

    info = infos(Owner())["owner"]
    assert said_of(info) == ("active", None, ())
    assert info.hooks == ("register_roosts",)


def test_no_plugin_can_be_called_as_the_core(install: Installer) -> None:
    install("core", specs=SPECS)
    install("perch", PERCH.replace('("pigeons",)', "()"))
    found = infos("core", "perch")
    assert found["core"].reason == "no plugin can be called 'core'"
    assert found["perch"].reason == "implements hooks that do not exist: register_perches"
    assert infos(Names("core"))["core"].state == "failed"
