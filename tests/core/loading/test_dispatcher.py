"""Tests of the dispatcher: every verb, and what a plugin that misbehaves costs the others."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

import anyio
import pluggy
import pytest

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import StartError
from clawmatrix_core.base.faults import Fault, Overrun
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.loading.dispatcher import Dispatcher
from clawmatrix_core.loading.manager import PluginManager
from clawmatrix_core.wire.codec import Header
from clawmatrix_core.wire.frames import Frame, Transit
from clawmatrix_core.wire.routes import PathStatus, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core.kernel.node import Node

NODE = cast("Node", object())
LINK = cast("Any", object())
HOME, OFFICE = NodeId("home"), NodeId("office")


class Bench:
    """A dispatcher with plugins, and the faults it reported."""

    def __init__(self, *plugins: object, budget: float = 10.0) -> None:
        self.manager = PluginManager()
        self.faults: list[Fault] = []
        self.entered: list[str | None] = []
        self.hooks = Dispatcher(
            self.manager, self.faults.append, on_enter=self.entered.append, budget=budget
        )
        for plugin in plugins:
            self.add(plugin)

    def add(self, plugin: object) -> None:
        self.manager.register(plugin, type(plugin).__name__)
        self.hooks.plugins_changed()

    def remove(self, plugin: object) -> None:
        self.manager.unregister(plugin)
        self.hooks.plugins_changed()

    def collected(self) -> list[Any]:
        return list(self.hooks.collect(hookspecs.register_config))

    def told(self) -> list[str]:
        return [f"{fault.plugin}.{fault}" for fault in self.faults]


def frame(kind: str) -> Frame:
    header = Header(type=kind, id="1", source=HOME, to=OFFICE, timestamp=0)
    return Frame(header, None, None, 0)


# --- registration of plugins


def check(answer: Mapping[NodeId, Route]) -> Mapping[NodeId, Route]:
    if not isinstance(answer, dict):
        raise TypeError("no routes")
    return answer


def test_an_async_hook_written_as_a_plain_function_is_refused() -> None:
    class Wrong:
        @hookimpl
        def start_plugin(self, node: Node) -> None: ...

    with pytest.raises(pluggy.PluginValidationError, match="'start_plugin' must be an async def"):
        Bench(Wrong())


def test_a_plain_hook_written_as_a_coroutine_function_is_refused() -> None:
    class Wrong:
        @hookimpl
        async def frame_received(self, frame: Frame) -> bool:
            return True

    with pytest.raises(pluggy.PluginValidationError, match="'frame_received' must be a plain def"):
        Bench(Wrong())


def test_the_colour_is_that_of_the_hook_a_method_stands_for() -> None:
    class Wrong:
        @hookimpl(specname="node_started")
        def on_start(self) -> None: ...

    with pytest.raises(pluggy.PluginValidationError, match="'node_started' must be an async def"):
        Bench(Wrong())


def test_a_decorated_implementation_has_the_colour_of_what_it_wraps() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(self: object, node: Node) -> Any:
            return function(self, node)

        return wrapper

    class Decorated:
        @hookimpl
        @logged
        async def node_started(self, node: Node) -> None: ...

    assert Bench(Decorated()).manager.get_plugins()


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
def test_wrappers_are_refused(option: str) -> None:
    class Wrapping:
        @hookimpl(**{option: True})  # type: ignore[call-overload, untyped-decorator]
        def compute_routes(self) -> Any:
            yield

    with pytest.raises(pluggy.PluginValidationError, match="takes no wrappers"):
        Bench(Wrapping())


def test_a_parameter_that_the_hook_does_not_have_is_refused() -> None:
    class Wrong:
        @hookimpl
        async def node_started(self, nodes: Node) -> None: ...

    with pytest.raises(pluggy.PluginValidationError, match="nodes"):
        Bench(Wrong())


def test_unknown_hooks_are_told_unless_they_are_optional() -> None:
    class Newer:
        @hookimpl
        def frame_recieved(self) -> None: ...

        @hookimpl(optionalhook=True)
        def of_a_later_version(self) -> None: ...

        @hookimpl(specname="node_started")
        async def on_start(self) -> None: ...

        @hookimpl
        def hookspec(self) -> None: ...  # a name in the module of hooks, and no hook

    wrong = PluginManager().misfits("newer", Newer(), ())
    assert wrong == "implements hooks that do not exist: frame_recieved, hookspec"


# --- collect


class GivesOne:
    @hookimpl
    def register_config(self) -> Any:
        return ["one"]


class GivesTwo:
    @hookimpl
    def register_config(self) -> Any:
        return ("two", "three")


class GivesNothing:
    @hookimpl
    def register_config(self) -> Any:
        return None


class GivesNoList:
    @hookimpl
    def register_config(self) -> Any:
        return 7


class Raises:
    @hookimpl
    def register_config(self) -> Any:
        raise LookupError("nothing here")

    @hookimpl
    def frame_received(self, frame: Frame) -> bool:
        raise LookupError("bad frame")

    @hookimpl
    def transit_received(self) -> bool:
        raise LookupError("bad transit")

    @hookimpl
    def compute_routes(self) -> Any:
        raise LookupError("no way")

    @hookimpl
    async def node_started(self) -> None:
        raise LookupError("not up")

    @hookimpl
    async def path_status(self) -> Any:
        raise LookupError("lost")


def test_collect_gathers_what_each_gives_with_its_name() -> None:
    bench = Bench(GivesOne(), GivesNothing(), GivesTwo())
    assert bench.collected() == [
        ("GivesTwo", "two"),
        ("GivesTwo", "three"),
        ("GivesOne", "one"),
    ]
    assert bench.faults == []
    assert bench.entered == ["GivesTwo", None, "GivesNothing", None, "GivesOne", None]


def test_one_that_raises_or_gives_no_list_contributes_nothing() -> None:
    bench = Bench(GivesOne(), Raises(), GivesNoList())
    assert bench.collected() == [("GivesOne", "one")]
    assert bench.told() == [
        "GivesNoList.register_config: TypeError: gave a int, not a list",
        "Raises.register_config: LookupError: nothing here",
    ]
    assert bench.entered[-1] is None


def test_a_start_error_passes_through() -> None:
    class PortTaken:
        @hookimpl
        def register_transports(self, node: Node) -> Any:
            raise StartError("the port is taken")

    bench = Bench(PortTaken())
    with pytest.raises(StartError, match="taken"):
        bench.hooks.collect(hookspecs.register_transports, node=NODE)
    assert bench.faults == []


# --- ask


class Knows:
    @hookimpl
    def compute_routes(self) -> Mapping[NodeId, Route] | None:
        return {OFFICE: Route(OFFICE, 1.0, 1)}

    @hookimpl
    async def path_status(self, peer: NodeId) -> PathStatus | None:
        return PathStatus("direct", reason=f"{peer} is here")


class KnowsNothing:
    @hookimpl
    def compute_routes(self) -> Mapping[NodeId, Route] | None:
        return None

    @hookimpl
    async def path_status(self) -> PathStatus | None:
        return None


class AnswersWrongly:
    @hookimpl
    def compute_routes(self) -> Any:
        return ["to the left"]


def test_ask_returns_the_first_answer_that_fits() -> None:
    bench = Bench(Knows(), KnowsNothing(), Raises(), AnswersWrongly())
    answer = bench.hooks.ask(hookspecs.compute_routes, check, node=NODE)
    assert answer == {OFFICE: Route(OFFICE, 1.0, 1)}
    assert bench.told() == [
        "AnswersWrongly.compute_routes: TypeError: no routes",
        "Raises.compute_routes: LookupError: no way",
    ]


def test_ask_returns_none_where_nobody_knows() -> None:
    assert Bench(KnowsNothing()).hooks.ask(hookspecs.compute_routes, check, node=NODE) is None


# --- frames


class Recorder:
    def __init__(self, log: list[str]) -> None:
        self.log = log


class WantsPing(Recorder):
    @hookimpl
    @frame_types("ping", "pong")
    def frame_received(self, frame: Frame) -> bool:
        self.log.append(f"ping: {frame.header.type}")
        return True


class WantsAll(Recorder):
    @hookimpl
    def frame_received(self, frame: Frame, node: Node) -> None:
        self.log.append(f"all: {frame.header.type}")


class Declines(Recorder):
    @hookimpl
    @frame_types("ping")
    def frame_received(self, frame: Frame) -> bool:
        self.log.append("declined")
        return False


def test_a_frame_goes_to_those_that_want_its_type_until_one_takes_it() -> None:
    log: list[str] = []
    bench = Bench(WantsPing(log), WantsAll(log), Declines(log))
    assert bench.hooks.frame(NODE, frame("ping"))
    assert log == ["declined", "all: ping", "ping: ping"]
    log.clear()
    assert not bench.hooks.frame(NODE, frame("other"))
    assert log == ["all: other"]


def test_the_first_that_takes_a_frame_ends_the_call() -> None:
    log: list[str] = []
    bench = Bench(Declines(log), WantsPing(log))
    assert bench.hooks.frame(NODE, frame("ping"))
    assert log == ["ping: ping"]


def test_the_frame_tables_follow_plugins_that_come_and_go() -> None:
    log: list[str] = []
    bench, ping = Bench(), WantsPing(log)
    assert not bench.hooks.frame(NODE, frame("pong"))
    bench.add(ping)
    assert bench.hooks.frame(NODE, frame("pong"))
    bench.remove(ping)
    assert not bench.hooks.frame(NODE, frame("pong"))


def test_types_that_no_plugin_names_take_no_memory() -> None:
    log: list[str] = []
    bench = Bench(WantsPing(log), WantsAll(log))
    bench.hooks.frame(NODE, frame("ping"))
    table = bench.hooks._frame_impls
    for number in range(1000):
        bench.hooks.frame(NODE, frame(f"junk {number}"))
    assert bench.hooks._frame_impls is table
    assert table is not None
    assert table.keys() == {"ping", "pong"}
    assert bench.hooks.frame(NODE, frame("pong"))


def test_a_frame_hook_that_raises_leaves_the_frame_to_the_others() -> None:
    log: list[str] = []
    bench = Bench(WantsPing(log), Raises())
    assert bench.hooks.frame(NODE, frame("ping"))
    assert bench.told() == ["Raises.frame_received: LookupError: bad frame"]
    assert bench.entered == ["Raises", None, "WantsPing", None]


def test_a_transit_goes_to_the_first_that_deals_with_it() -> None:
    class Relay:
        @hookimpl
        def transit_received(self, node: Node, transit: Transit) -> bool:
            return True

    transit = Transit(LINK, LINK, LINK)
    bench = Bench(Relay(), Raises())
    assert bench.hooks.transit(NODE, transit)
    assert bench.hooks.transit(NODE, transit)
    assert bench.told() == ["Raises.transit_received: LookupError: bad transit"] * 2
    assert not Bench().hooks.transit(NODE, transit)


# --- event hooks


class Notes(Recorder):
    @hookimpl
    async def node_started(self) -> None:
        self.log.append(type(self).__name__)


class NotesLast(Notes):
    @hookimpl(trylast=True)
    async def node_started(self) -> None:
        await super().node_started()


class NotesFirst(Notes):
    @hookimpl(tryfirst=True)
    async def node_started(self) -> None:
        await super().node_started()


class NotesToo(Notes):
    @hookimpl
    async def node_started(self) -> None:
        await super().node_started()


@pytest.mark.anyio
async def test_all_are_notified_the_last_loaded_first() -> None:
    log: list[str] = []
    bench = Bench(NotesFirst(log), Notes(log), Raises(), NotesToo(log), NotesLast(log))
    await bench.hooks.notify(hookspecs.node_started, node=NODE)
    assert log == ["NotesFirst", "NotesToo", "Notes", "NotesLast"]
    assert bench.told() == ["Raises.node_started: LookupError: not up"]


class Hangs:
    def __init__(self) -> None:
        self.cancelled = False

    @hookimpl
    async def node_started(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self.cancelled = True


@pytest.mark.anyio
async def test_one_that_overruns_is_cancelled_and_named_and_the_others_are_called() -> None:
    log: list[str] = []
    hangs = Hangs()
    bench = Bench(Notes(log), hangs, budget=0.05)
    await bench.hooks.notify(hookspecs.node_started, node=NODE)
    assert log == ["Notes"]
    assert hangs.cancelled
    assert bench.told() == ["Hangs.node_started: Overrun: took over 0.05 s"]
    assert isinstance(bench.faults[0].error, Overrun)


@pytest.mark.anyio
async def test_a_time_limit_of_the_plugins_own_is_no_overrun() -> None:
    class SlowUpstream:
        @hookimpl
        async def node_started(self) -> None:
            with anyio.fail_after(0.01):
                await anyio.sleep_forever()

    bench = Bench(SlowUpstream())
    await bench.hooks.notify(hookspecs.node_started, node=NODE)
    assert bench.told() == ["SlowUpstream.node_started: TimeoutError: TimeoutError"]
    assert not isinstance(bench.faults[0].error, Overrun)


@pytest.mark.anyio
async def test_cancellation_from_outside_passes_and_is_no_fault() -> None:
    log: list[str] = []
    hangs = Hangs()
    bench = Bench(Notes(log), hangs)
    with anyio.move_on_after(0.05) as scope:
        await bench.hooks.notify(hookspecs.node_started, node=NODE)
    assert scope.cancelled_caught
    assert hangs.cancelled
    assert bench.faults == []
    assert log == []
    assert bench.entered[-1] is None


@pytest.mark.anyio
async def test_the_first_answer_ends_the_question() -> None:
    bench = Bench(Raises(), Knows(), KnowsNothing())
    status = await bench.hooks.first(hookspecs.path_status, node=NODE, peer=OFFICE, probe=False)
    assert status == PathStatus("direct", reason="office is here")
    assert bench.faults == []


@pytest.mark.anyio
async def test_a_question_goes_on_after_one_that_raises() -> None:
    bench = Bench(Knows(), Raises())
    status = await bench.hooks.first(hookspecs.path_status, node=NODE, peer=OFFICE, probe=False)
    assert status is not None
    assert bench.told() == ["Raises.path_status: LookupError: lost"]
    silent = Bench(KnowsNothing()).hooks
    assert await silent.first(hookspecs.path_status, node=NODE, peer=HOME, probe=True) is None


@pytest.mark.anyio
async def test_one_plugin_alone_can_be_called_without_a_boundary() -> None:
    log: list[str] = []
    bench = Bench(Notes(log), Raises())
    await bench.hooks.one("Notes", hookspecs.node_started, node=NODE)
    assert log == ["Notes"]
    with pytest.raises(LookupError, match="not up"):
        await bench.hooks.one("Raises", hookspecs.node_started, node=NODE)
    await bench.hooks.one("Nobody", hookspecs.node_started, node=NODE)
    assert bench.faults == []


@pytest.mark.anyio
async def test_a_plugin_is_entered_for_each_step_and_left_while_it_waits() -> None:
    class Steps:
        @hookimpl
        async def node_started(self) -> None:
            during.append(bench.entered[-1])
            proceed.set()
            await resume.wait()
            during.append(bench.entered[-1])

    during: list[str | None] = []
    proceed, resume = anyio.Event(), anyio.Event()
    bench = Bench(Steps())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: bench.hooks.notify(hookspecs.node_started, node=NODE))
        await proceed.wait()
        assert bench.entered[-1] is None
        resume.set()
    assert during == ["Steps", "Steps"]
    assert bench.entered[-1] is None
    assert bench.faults == []


def test_a_fault_without_words_is_told_by_its_type() -> None:
    assert str(Fault("mesh", "node_started", KeyError())) == "node_started: KeyError: KeyError"
