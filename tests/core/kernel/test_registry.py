"""Tests of the plugins of a node: their faults, and what they register."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import click
import pytest

from clawmatrix_core import hookspecs
from clawmatrix_core.base.faults import Fault, Overrun
from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.loading.contributions import Offer
from clawmatrix_core.state.files import StateFile
from tests.core.loading.installer import load

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.loading.plugin_info import PluginInfo


class Echo:
    @hookimpl
    async def node_started(self, node: Node) -> None: ...


def test_the_first_that_works_is_found_by_its_kind() -> None:
    class Kind:
        pass

    class First(Kind):
        pass

    class Second(Kind):
        pass

    plugins = PluginRegistry()
    first, second = First(), Second()
    assert plugins.find(Kind) is None
    infos = [plugins.add(one) for one in (object(), first, second)]
    assert plugins.find(Kind) is first
    plugins.fail(infos[1], "a test says so")
    assert plugins.find(Kind) is second


# --- faults


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def overrun(name: str = "Echo") -> Fault:
    return Fault(name, "node_started", Overrun("took over 10 s"))


def test_faults_are_counted_and_the_last_is_shown() -> None:
    registry = load(Echo())
    registry.on_fault(Fault("Echo", "node_started", ValueError("first")))
    registry.on_fault(Fault("Echo", "listener", ValueError("second")))
    info = registry.get("Echo")
    assert info is not None
    entry = info.to_json()
    assert (entry["faults"], entry["lastFault"]) == (2, "listener: ValueError: second")
    assert entry["state"] == "active"


def test_few_of_many_faults_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    registry = load(Echo())
    for _ in range(2000):
        registry.on_fault(Fault("Echo", "frame_received", ValueError("again")))
    logged = [record.getMessage() for record in caplog.records if "again" in record.getMessage()]
    assert [text.rpartition("(")[2] for text in logged] == [
        "fault 1)",
        "fault 2)",
        "fault 3)",
        "fault 1000)",
        "fault 2000)",
    ]


def test_a_fault_of_nobody_known_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    load().on_fault(Fault("ghost", "node_started", ValueError("boo")))
    assert "fault in ghost: node_started: ValueError: boo" in caplog.text


def overrun_thrice(registry: PluginRegistry, name: str, *, serving: bool = False) -> str:
    for _ in range(3):
        fault = attrs.evolve(overrun(name), serving=serving)
        registry.on_fault(fault)
    info = registry.get(name)
    assert info is not None
    assert info.faults == 3
    return info.state


def test_a_built_in_plugin_is_never_taken_out() -> None:
    assert overrun_thrice(load("relay"), "relay") == "active"


def test_no_plugin_is_taken_out_for_what_others_have_it_do() -> None:
    assert overrun_thrice(load(Echo()), "Echo", serving=True) == "active"
    assert overrun_thrice(load(Echo()), "Echo") == "failed"


def test_removal_can_be_switched_off() -> None:
    registry = PluginRegistry(remove_stalling=False)
    registry.load([Echo()])
    assert overrun_thrice(registry, "Echo") == "active"


def test_three_overruns_in_ten_minutes_take_a_plugin_out() -> None:
    failed: list[PluginInfo] = []
    registry = load(Echo())
    registry.when_failed(failed.append)
    registry.on_fault(overrun())
    registry.on_fault(Fault("Echo", "node_started", TimeoutError("upstream")))
    registry.on_fault(overrun())
    assert registry.active()
    registry.on_fault(overrun())
    [info] = failed
    assert info.state == "failed"
    assert info.reason is not None
    assert info.reason.startswith("taken out after 3 hooks that ran out of time: node_started")
    assert registry.active() == ()
    assert registry.manager.get_plugins() == set()
    registry.on_fault(overrun())
    assert failed == [info]


def test_overruns_far_apart_do_not_add_up() -> None:
    clock = Clock()
    registry = PluginRegistry(now=clock)
    registry.load([Echo()])
    for _ in range(10):
        registry.on_fault(overrun())
        clock.now += 301.0
    assert registry.active()


@pytest.mark.anyio
async def test_a_hanging_plugin_is_called_three_times() -> None:
    class Hangs:
        calls = 0

        @hookimpl
        async def node_started(self) -> None:
            self.calls += 1
            await anyio.sleep_forever()

    hangs = Hangs()
    registry = PluginRegistry(budget=0.01)
    registry.load([hangs])
    for _ in range(5):
        await registry.hooks.notify(hookspecs.node_started, node=None)  # type: ignore[arg-type]
    assert hangs.calls == 3


# --- what plugins register


class Junk:
    @hookimpl
    def register_config(self) -> Any:
        return ["no section"]

    @hookimpl
    def register_commands(self) -> Any:
        return [click.Command("good"), len]


def test_what_is_of_another_type_is_left_out_and_a_fault() -> None:
    registry = load("mesh", Junk())
    tables = [section.table for section in registry.config_sections()]
    assert tables == ["mesh"]
    names = [(plugin, command.name) for plugin, command in registry.commands()]
    assert [name for plugin, name in names if plugin == "Junk"] == ["good"]
    assert ("mesh", "trust") in names
    info = registry.get("Junk")
    assert info is not None
    assert info.faults == 2
    assert info.last_fault == (
        "register_commands: TypeError: gave a builtin_function_or_method, not a Command"
    )


class Files:
    def __init__(self, name: str, *files: StateFile) -> None:
        self.plugin_name = name
        self.files = files

    @hookimpl
    def register_state_files(self) -> Any:
        return self.files


def test_a_state_file_belongs_to_the_core_or_to_the_first_that_declares_it() -> None:
    def spoil(_: Any) -> Any:
        raise AssertionError("it is another one's file")

    birds = StateFile("birds")
    registry = load(
        Files("a", birds),
        Files("b", StateFile("identity", (spoil,)), StateFile("birds", (spoil,))),
    )
    assert registry.state_files() == [birds]
    collisions = [info.collisions for info in registry.active()]
    assert collisions == [
        ("state file birds: a has it, that of b is left out",),
        (
            "state file identity: core has it, that of b is left out",
            "state file birds: a has it, that of b is left out",
        ),
    ]


@pytest.mark.parametrize("name", ["../identity", "", "Birds", None, ["birds"]])
def test_what_can_name_no_state_file_is_refused_where_it_is_declared(name: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="name a state file"):
        StateFile(name)


class Misnamed:
    @property
    def name(self) -> str:
        raise LookupError("no name yet")


def test_what_has_no_usable_name_is_left_out_and_one_fault() -> None:
    registry = load(Echo())
    names: list[Any] = [None, ["x"], {}, "", "good"]
    values: list[Any] = [Offer(name, list) for name in names]
    found = [("Echo", value) for value in values]
    for _ in range(2):
        assert [*registry.unique("offer", found, lambda offer: offer.kind)] == found[-1:]
    registry.unique("offer", [("Echo", Misnamed())], lambda value: value.name)
    info = registry.get("Echo")
    assert info is not None
    assert info.faults == 5
    assert info.last_fault == "offer: LookupError: no name yet"


class BadTables:
    @hookimpl
    def register_config(self) -> Any:
        return [ConfigSection(None, Empty)]  # type: ignore[arg-type]


@attrs.frozen
class Empty:
    pass


def test_a_table_without_a_name_is_a_fault() -> None:
    registry = load("mesh", BadTables())
    assert [section.table for section in registry.config_sections()] == ["mesh"]
    info = registry.get("BadTables")
    assert info is not None
    assert info.faults == 1


def test_sections_and_choices_come_from_the_configuration() -> None:
    config = Config.from_mapping({"node_id": "a", "secret": "s" * 40, "plugins": ["mesh"]})
    registry = PluginRegistry()
    registry.load(config.plugins, config.disable)
    config.bind(registry.config_sections(), known=[info.name for info in registry.list()])
    assert [info.name for info in registry.active()] == ["mesh"]


def test_loading_says_on_the_log_what_failed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "clawmatrix.plugins"):
        load(Junk, "nobody-has-this")
    assert "nobody-has-this" in caplog.text
