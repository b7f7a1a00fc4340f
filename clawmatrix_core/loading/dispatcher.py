"""The dispatcher: calls hooks of plugins, each implementation behind a fault boundary.

Every call of an implementation has its own fault boundary: one that raises, or overruns its
time, is named and counted, and the others are called all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, cast

import anyio

from clawmatrix_core.base.answers import Answer
from clawmatrix_core.base.as_list import as_list
from clawmatrix_core.base.cancellation import stray
from clawmatrix_core.base.errors import DemandFailed, PluginError, StartError
from clawmatrix_core.base.faults import Fault, Overrun
from clawmatrix_core.base.serving import serves_input
from clawmatrix_core.base.steps import Steps
from clawmatrix_core.loading.calls import Taker, arguments_of, taker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clawmatrix_core.loading.manager import Implementation, PluginManager
    from clawmatrix_core.wire.frames import Frame, Transit

__all__ = ["EVENT_BUDGET", "Dispatcher"]

P = ParamSpec("P")
R = TypeVar("R")
_Takers: TypeAlias = tuple[Taker, ...]

EVENT_BUDGET = 10.0
"""Seconds an event hook may take."""


class Dispatcher:
    """Calls hooks, one implementation at a time, each inside its own fault boundary.

    ``on_fault`` must not raise and must not call hooks. ``on_enter`` is told whose code the
    event loop is about to run, and None after each stretch of it. ``on_nothing`` is told of a
    plugin and its registration hook that returned None.

    Attributes:
        awaited: the event hooks that have not returned: ``plugin: hook``.
    """

    def __init__(
        self,
        manager: PluginManager,
        on_fault: Callable[[Fault], None],
        *,
        on_enter: Callable[[str | None], None] = lambda _: None,
        on_nothing: Callable[[str, str], None] = lambda _, __: None,
        budget: float = EVENT_BUDGET,
    ) -> None:
        self._manager = manager
        self._on_fault = on_fault
        self._on_enter = on_enter
        self._on_nothing = on_nothing
        self.awaited: list[str] = []
        self._budget = budget
        self._frame_impls: dict[str, _Takers] | None = None
        self._any_frame_impls: _Takers = ()
        self._transit_impls: _Takers | None = None

    def implementing(self, hook: str) -> tuple[str, ...]:
        """Return the plugins that implement a hook, in the order in which they are called."""
        return tuple(impl.plugin_name for impl in self._impls(hook))

    def plugins_changed(self) -> None:
        """Forget the frame tables; they are built again when the next frame comes."""
        self._frame_impls = self._transit_impls = None

    # --- sync hooks

    def collect(
        self, spec: Callable[P, Sequence[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> list[tuple[str, R]]:
        """Return what registration hooks return, each value with its plugin's name.

        A plugin that raises, or gives no list, contributes nothing, and is a fault.
        """
        arguments = arguments_of(self._manager.specs, "collect", spec, args, kwargs)
        found: list[tuple[str, R]] = []
        for impl in self._impls(spec.__name__):
            values = self._guarded_sync(spec.__name__, impl, arguments, _listed)
            if values is _NOTHING:
                self._on_nothing(impl.plugin_name, spec.__name__)
            found += [(impl.plugin_name, value) for value in values or ()]
        return found

    def ask(
        self,
        spec: Callable[P, R | None],
        check: Callable[[R], R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R | None:
        """Return the first result that is not None of a sync question hook.

        An answer that ``check`` raises at is a fault, and the next plugin is asked.
        """
        arguments = arguments_of(self._manager.specs, "ask", spec, args, kwargs)
        for impl in self._impls(spec.__name__):
            result: R | None = self._guarded_sync(
                spec.__name__, impl, arguments, lambda one: None if one is None else check(one)
            )
            if result is not None:
                return result
        return None

    def frame(self, node: object, frame: Frame) -> bool:
        """Give a frame to the plugins that want its type, until one takes it; True if one did."""
        table = self._frame_impls
        if table is None:
            table = self._build_frame_table()
        impls = table.get(frame.header.type, self._any_frame_impls)
        return self._until_taken("frame_received", impls, node, frame)

    def transit(self, node: object, transit: Transit) -> bool:
        """Give a frame for another node to the plugins, until one deals with it."""
        impls = self._transit_impls
        if impls is None:
            found = self._impls("transit_received")
            impls = self._transit_impls = tuple(taker(impl, "transit") for impl in found)
        return self._until_taken("transit_received", impls, node, transit)

    @serves_input
    def _until_taken(self, hook: str, takers: _Takers, node: object, one: object) -> bool:
        enter = self._on_enter
        for plugin, take in takers:
            enter(plugin)
            try:
                if take(node, one):
                    return True
            except BaseException as error:
                if (fault := stray(error, called=True)) is None:
                    raise
                self._on_fault(Fault(plugin, hook, fault, serving=True))
            finally:
                enter(None)
        return False

    def _build_frame_table(self) -> dict[str, _Takers]:
        # Types that no plugin names have no entry: a peer cannot make the table grow.
        wanted = [
            (taker(impl, "frame"), getattr(impl.function, "clawmatrix_frame_types", None))
            for impl in self._impls("frame_received")
        ]
        named = frozenset[str]().union(*(types for _, types in wanted if types is not None))
        self._any_frame_impls = tuple(take for take, types in wanted if types is None)
        self._frame_impls = {
            kind: tuple(take for take, types in wanted if types is None or kind in types)
            for kind in named
        }
        return self._frame_impls

    # --- async hooks

    async def notify(
        self, spec: Callable[P, Awaitable[None]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Await every implementation of an event hook."""
        arguments = arguments_of(self._manager.specs, "notify", spec, args, kwargs)
        for impl in self._impls(spec.__name__):
            await self._guarded(spec.__name__, impl, arguments)

    async def first(
        self, spec: Callable[P, Awaitable[R | None]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R | None:
        """Return the first result that is not None; later implementations are not called."""
        arguments = arguments_of(self._manager.specs, "first", spec, args, kwargs)
        for impl in self._impls(spec.__name__):
            result: R | None = await self._guarded(spec.__name__, impl, arguments)
            if result is not None:
                return result
        return None

    async def one(
        self, plugin: str, spec: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R | None:
        """Await the implementation of one plugin, outside any fault boundary.

        Raises: what it raises. There is no time limit.
        """
        arguments = arguments_of(self._manager.specs, "one", spec, args, kwargs)
        for impl in self._impls(spec.__name__):
            if impl.plugin_name == plugin:
                result: R = await self._await(impl, arguments)
                return result
        return None

    async def every(
        self,
        spec: Callable[P, Awaitable[R | None]],
        kind: type[R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Sequence[Answer[R]]:
        """Ask all plugins that implement a hook; return what each said, in order of calling.

        One that raises, overruns, answers with another type than ``kind``, or is taken out before
        all have answered has a fault in the place of its answer.
        """
        arguments = arguments_of(self._manager.specs, "every", spec, args, kwargs)
        return await self._asked(spec.__name__, arguments, (kind, type(None)))

    async def demand(
        self,
        spec: Callable[P, Awaitable[R]],
        kind: type[R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Sequence[tuple[str, R]]:
        """Have all plugins that implement a hook answer; return each plugin with its answer.

        Raises: DemandFailed, where no plugin implements it, or where one of them raises, overruns,
            answers with anything but ``kind``, or is taken out meanwhile. All are asked first.
        """
        arguments = arguments_of(self._manager.specs, "demand", spec, args, kwargs)
        answers: list[Answer[R]] = await self._asked(spec.__name__, arguments, (kind,))
        if not answers:
            raise DemandFailed("", f"no plugin answers {spec.__name__}")
        for answer in answers:
            if answer.fault is not None:
                raise DemandFailed(answer.plugin, str(answer.fault))
        return [(answer.plugin, cast("R", answer.value)) for answer in answers]

    @serves_input
    async def _asked(
        self, hook: str, arguments: dict[str, Any], kinds: tuple[type, ...]
    ) -> list[Answer[Any]]:
        impls = tuple(self._impls(hook))  # none of them gets lost, whatever happens meanwhile
        answers = [
            await self._answer(hook, impl, arguments, kinds, serving=True)
            if self._manager.has_plugin(impl.plugin_name)
            else _taken_out(impl.plugin_name, hook)
            for impl in impls
        ]
        return [
            answer if self._manager.has_plugin(answer.plugin) else _taken_out(answer.plugin, hook)
            for answer in answers
        ]

    async def _guarded(self, hook: str, impl: Implementation, arguments: dict[str, Any]) -> Any:
        return (await self._answer(hook, impl, arguments)).value

    async def _answer(
        self,
        hook: str,
        impl: Implementation,
        arguments: dict[str, Any],
        kinds: tuple[type, ...] = (object,),
        *,
        serving: bool = False,
    ) -> Answer[Any]:
        error: Exception = Overrun(f"took over {self._budget:g} s")
        awaited = f"{impl.plugin_name}: {hook}"
        self.awaited.append(awaited)
        try:
            with anyio.move_on_after(self._budget) as limit:
                value = await self._await(impl, arguments)
                if anyio.current_time() < limit.deadline:  # else it has blocked the loop, say
                    return Answer(impl.plugin_name, _checked(value, kinds))
        except BaseException as raised:
            if (fault := stray(raised)) is None:
                raise
            error = fault
        finally:
            self.awaited.remove(awaited)
        failed = Fault(impl.plugin_name, hook, error, serving)
        self._on_fault(failed)
        return Answer(impl.plugin_name, fault=failed)

    async def _await(self, impl: Implementation, arguments: dict[str, Any]) -> Any:
        async def run() -> Any:
            call: Callable[..., Awaitable[Any]] = impl.function  # type: ignore[assignment]
            return await call(*[arguments[name] for name in impl.argnames])

        return await Steps(run(), self._on_enter, impl.plugin_name)

    # --- both

    def _guarded_sync(
        self,
        hook: str,
        impl: Implementation,
        arguments: dict[str, Any],
        make: Callable[[Any], Any],
    ) -> Any:
        self._on_enter(impl.plugin_name)
        try:
            return make(impl.function(*[arguments[name] for name in impl.argnames]))
        except StartError as error:
            error.plugin = error.plugin or impl.plugin_name
            raise
        except BaseException as error:
            if (fault := stray(error, called=True)) is None:
                raise
            self._on_fault(Fault(impl.plugin_name, hook, fault))
            return None
        finally:
            self._on_enter(None)

    def _impls(self, hook: str) -> Sequence[Implementation]:
        return self._manager.calling_order(hook)


_NOTHING: list[Any] = []
"""What a registration hook gives that returned None."""


def _listed(values: Any) -> list[Any]:
    return _NOTHING if values is None else as_list(values)


def _taken_out(plugin: str, hook: str) -> Answer[Any]:
    error = PluginError(plugin, "was taken out before the question was decided")
    return Answer(plugin, fault=Fault(plugin, hook, error))


def _checked(value: Any, kinds: tuple[type, ...]) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"gave a {type(value).__name__}, not a {kinds[0].__name__}")
    return value
