"""Tests of finding, choosing and loading plugins, from real distributions on the path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.registry import PluginRegistry
from tests.core.loading.installer import GOOD, Installer, load, the

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node


# --- entry points


def test_a_plugin_is_found_by_its_entry_point(install: Installer) -> None:
    install("echo")
    info = the("echo")
    assert info.to_json() == {
        "name": "echo",
        "distribution": "clawmatrix-echo",
        "version": "1.2",
        "state": "active",
        "reason": None,
        "hooks": ["frame_received", "node_started"],
    }


def test_a_plugin_can_be_a_module(install: Installer) -> None:
    source = """
    from clawmatrix_core.hookspecs import hookimpl

    @hookimpl
    async def node_started(node): ...
    """
    install("flat", source, value=install.module("flat"))
    assert (the("flat").state, the("flat").hooks) == ("active", ("node_started",))


def test_built_in_plugins_come_first_and_all_others_by_name(install: Installer) -> None:
    for name in ("zebra", "aardvark"):
        install(name)
    names = [info.name for info in load("relay", "zebra", "aardvark").list()]
    built_in = [info.name for info in load().list() if info.built_in]
    assert built_in == sorted(built_in)
    assert names == [*built_in, "aardvark", "zebra"]


def test_those_of_third_parties_are_used_only_when_named(install: Installer) -> None:
    install("echo")
    registry = PluginRegistry()
    registry.load()
    info, relay = registry.get("echo"), registry.get("relay")
    assert info is not None
    assert relay is not None
    assert (info.state, info.reason) == ("disabled", "name it to use it: plugins = [..., 'echo']")
    assert relay.state == "active"


def test_those_not_chosen_are_not_even_imported(install: Installer) -> None:
    install("echo", "raise SystemExit('imported')")
    info = load("relay").get("echo")
    assert info is not None
    assert (info.state, info.reason) == ("disabled", "not among the plugins chosen")


def test_disabling_wins_over_choosing(install: Installer) -> None:
    install("echo", "raise SystemExit('imported')")
    info = the("echo", disabled=("echo",))
    assert (info.state, info.reason) == ("disabled", "disabled in the configuration")


def test_a_name_that_nobody_has_is_told() -> None:
    info = the("no-such-thing")
    assert info.state == "failed"
    assert "no plugin of that name is installed" in str(info.reason)
    assert "did you mean" not in str(info.reason)
    assert "`pip install -e FOLDER`" in str(info.reason)
    assert info.distribution is None


class Presence:
    plugin_name = "presence"


@pytest.mark.parametrize(("name", "near"), [("mehs", "mesh"), ("presense", "presence")])
def test_a_misspelt_name_is_told_with_the_one_that_is_near(name: str, near: str) -> None:
    info = load(name, Presence()).get(name)
    assert info is not None
    assert info.reason == f'no plugin of that name is installed; did you mean "{near}"?'


@pytest.mark.parametrize(("name", "told"), [("htpp", 1), ("no-such-thing", 0), ("http", 0)])
def test_a_misspelt_name_of_what_is_disabled_is_told(
    name: str, told: int, caplog: pytest.LogCaptureFixture
) -> None:
    PluginRegistry().load(["relay"], disabled=[name])
    assert caplog.text.count('no plugin is called htpp; did you mean "http"?') == told
    assert len(caplog.records) == told


def test_a_second_object_of_one_name_gets_another_and_both_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = {info.name: info for info in load(Presence(), Presence(), Presence()).active()}
    assert [*found] == ["presence", "presence_", "presence__"]
    second, third = (
        f"plugin presence: another one has this name, the later one is called {name}"
        for name in ("presence_", "presence__")
    )
    assert [info.collisions for info in found.values()] == [(second, third), (second,), (third,)]
    assert caplog.text.count("another one has this name") == 2


def test_of_two_with_one_name_the_second_is_left_out(
    install: Installer, caplog: pytest.LogCaptureFixture
) -> None:
    install("echo", distribution="a-first")
    install("echo", None, distribution="b-second", value="no_such_module:Plugin")
    assert the("echo").distribution == "a-first"
    assert "that of a-first is used, that of b-second is left out" in caplog.text


def test_a_third_party_cannot_take_the_name_of_a_built_in(install: Installer) -> None:
    install("relay", distribution="a-first")
    assert the("relay").distribution == "clawmatrix"


# --- extras


def test_a_missing_extra_is_told_apart_from_a_failure(install: Installer) -> None:
    install("echo", "import no_such_thing", requires=('no-such.thing>=2; extra == "echo"',))
    info = the("echo")
    assert info.state == "not installed"
    assert info.reason == "needs no-such.thing: pip install 'clawmatrix-echo[echo]'"


def test_an_extra_may_stand_for_others_of_the_same_distribution(install: Installer) -> None:
    requires = (
        "pytest",
        "no-such-one; extra == 'unrelated'",
        "clawmatrix-echo[base, echo]; extra == 'echo'",
        "pytest; extra == 'base'",
        "no-such-two<3; python_version > '3' and extra == 'base'",
    )
    install("echo", requires=requires)
    assert the("echo").reason == "needs no-such-two: pip install 'clawmatrix-echo[base]'"


def test_an_extra_named_by_the_entry_point_counts_too(install: Installer) -> None:
    value = install.module("echo") + ":Plugin [fast]"
    install("echo", value=value, requires=("no-such-one; extra == 'fast'",))
    assert the("echo").state == "not installed"


def test_with_its_extra_a_plugin_is_active(install: Installer) -> None:
    install("echo", requires=("pytest>=1; extra == 'echo'",))
    assert the("echo").state == "active"


def test_what_only_other_systems_or_versions_need_is_not_missed(install: Installer) -> None:
    requires = (
        "no-such-one; sys_platform == 'plan9' and extra == 'echo'",
        "no-such-two; (python_version < '3') and extra == 'echo'",
        "no-such-three; extra == 'echo' and (os_name == 'plan9' or platform_system == 'Plan 9')",
    )
    install("echo", requires=requires)
    assert the("echo").state == "active"


def test_what_this_system_needs_is_missed(install: Installer) -> None:
    install("echo", requires=("no-such-one; (os_name == 'posix') and extra == 'echo'",))
    assert the("echo").reason == "needs no-such-one: pip install 'clawmatrix-echo[echo]'"


def test_a_condition_that_nobody_can_read_does_not_stop_the_others(install: Installer) -> None:
    install("echo", requires=("no-such-one; os_name ~~ 'posix' and extra == 'echo'",))
    install("good")
    registry = load("echo", "good")
    assert [info.state for info in registry.list() if info.name in ("echo", "good")] == [
        "not installed",
        "active",
    ]


def test_one_that_is_not_chosen_is_disabled_whatever_is_missing(install: Installer) -> None:
    install("echo", requires=("no-such-one; extra == 'echo'",))
    info = load("relay").get("echo")
    assert info is not None
    assert info.state == "disabled"


# --- broken ones


def broken(install: Installer, source: str) -> str:
    """Load a plugin beside a good one, which must not suffer; return the reason."""
    install("broken", source)
    install("good")
    registry = load("broken", "good")
    info, good = registry.get("broken"), registry.get("good")
    assert info is not None
    assert good is not None
    assert (info.state, good.state) == ("failed", "active")
    assert [each.name for each in registry.active()] == ["good"]
    assert registry.manager.list_name_plugin() == [("good", good.plugin)]
    return info.reason or ""


def test_one_that_cannot_be_imported_is_failed(install: Installer) -> None:
    reason = broken(install, "import no_such_module_here")
    assert reason.startswith("could not be imported: ModuleNotFoundError: No module named")


def test_one_without_the_object_it_names_is_failed(install: Installer) -> None:
    assert "has no attribute 'Plugin'" in broken(install, "")


def test_one_that_cannot_be_made_is_failed(install: Installer) -> None:
    source = "class Plugin:\n    def __init__(self): raise ValueError('no licence')"
    assert broken(install, source) == "could not be imported: ValueError: no licence"


def test_one_of_the_wrong_colour_is_failed(install: Installer) -> None:
    reason = broken(install, GOOD.replace("async def", "def"))
    assert reason == "does not fit the hooks: hook 'node_started' must be an async def"


def test_one_with_an_unknown_parameter_is_failed(install: Installer) -> None:
    reason = broken(install, GOOD.replace("self, node", "self, nodes"))
    assert "node_started(nodes)" in reason
    assert "\n" not in reason


def test_one_with_an_unknown_hook_is_failed(install: Installer) -> None:
    reason = broken(install, GOOD.replace("node_started", "node_start"))
    assert reason == "implements hooks that do not exist: node_start"


def test_one_whose_attributes_raise_is_failed(install: Installer) -> None:
    source = GOOD + "\n    def __dir__(self): raise OSError('the disk is full')\n"
    assert broken(install, source) == "does not fit the hooks: the disk is full"


def test_one_that_fails_without_words_is_failed(install: Installer) -> None:
    assert broken(install, GOOD + "\n    def __dir__(self): raise OSError\n").endswith(" OSError")


def test_a_hook_of_a_later_version_may_be_optional(install: Installer) -> None:
    install("echo", GOOD + "\n    @hookimpl(optionalhook=True)\n    def later(self): ...\n")
    assert (the("echo").state, the("echo").hooks) == ("active", ("frame_received", "node_started"))


# --- objects passed in


class Echo:
    @hookimpl
    async def node_started(self, node: Node) -> None: ...


class Named(Echo):
    plugin_name = "a-name"


def test_objects_and_classes_are_added_without_an_entry_point() -> None:
    registry = load(Echo(), Echo, Named())
    added = [info for info in registry.list() if info.state == "active"]
    assert [info.name for info in added] == ["Echo", "Echo_", "a-name"]
    assert [info.distribution for info in added] == [None] * 3
    assert all(isinstance(info.plugin, Echo) for info in added)


def test_an_object_can_be_given_a_name() -> None:
    registry = PluginRegistry()
    assert registry.add(Echo(), "mine").name == "mine"


def test_an_object_passed_in_twice_works_once() -> None:
    echo = Echo()
    registry = load(echo, echo)
    first, second = registry.get("Echo"), registry.get("Echo_")
    assert first is not None
    assert second is not None
    assert first.state == "active"
    assert (second.state, second.reason) == ("failed", "is the same object as plugin Echo")
    assert registry.manager.list_name_plugin() == [("Echo", echo)]


def test_a_class_passed_in_that_cannot_be_made_is_failed() -> None:
    class Unlicensed:
        def __init__(self) -> None:
            raise ValueError("no licence")

    info = load(Unlicensed).get("Unlicensed")
    assert info is not None
    assert (info.state, info.reason) == ("failed", "could not be made: ValueError: no licence")


def test_an_object_that_does_not_fit_is_failed() -> None:
    class Wrong:
        @hookimpl
        def node_started(self) -> None: ...

    info = load(Wrong()).get("Wrong")
    assert info is not None
    assert info.state == "failed"


class Raises:
    def __init__(self, attribute: str) -> None:
        self.attribute = attribute

    def __getattr__(self, name: str) -> object:
        if name == self.attribute:
            raise LookupError(f"no {name} yet")
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        return [self.attribute]


class NeverEqual(Echo):
    def __eq__(self, other: object) -> bool:
        raise LookupError("compares with nobody")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "plugin", [Raises("hookspecs"), Raises("plugin_name"), Raises("extends"), NeverEqual()]
)
def test_an_object_whose_attributes_raise_is_failed_and_stops_no_other(plugin: object) -> None:
    registry = load(Echo(), plugin, Named())
    states = [info.state for info in registry.list() if info.distribution is None]
    assert states == ["active", "failed", "active"]
    assert PluginRegistry().add(plugin).state == "failed"
