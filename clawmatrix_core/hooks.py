"""The plugin manager of one node, and the dispatcher that calls hooks through it.

Every call of an implementation has its own fault boundary: one that raises, or overruns its
time, is named and counted, and the others are called all the same.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import anyio
import attrs
import pluggy

from clawmatrix_core import hookspecs
from clawmatrix_core.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from clawmatrix_core.frames import Frame
    from clawmatrix_core.node import Node
    from clawmatrix_core.routes import Transit

__all__ = ["PROJECT", "Dispatcher", "Fault", "PluginManager"]

P = ParamSpec("P")
R = TypeVar("R")

PROJECT = "clawmatrix"
EVENT_BUDGET = 10.0
"""Seconds an event hook may take."""

_log = logging.getLogger("clawmatrix.hooks")


@attrs.frozen
class Fault:
    """A hook implementation, or a plugin's background task, that failed."""

    plugin: str
    hook: str
    error: Exception

    def __str__(self) -> str:
        what = str(self.error) or type(self.error).__name__
        return f"{self.hook}: {type(self.error).__name__}: {what}"


class PluginManager(pluggy.PluginManager):
    """A pluggy manager that also checks that sync and async fit the specification."""

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(hookspecs)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Refuse an implementation whose colour is not its specification's."""
        options = super().parse_hookimpl_opts(plugin, name)
        spec = getattr(hookspecs, name, None)
        if options is None or spec is None:
            return options
        function = inspect.unwrap(getattr(plugin, name))
        wants_async = inspect.iscoroutinefunction(spec)
        if inspect.iscoroutinefunction(function) != wants_async:
            colour = "async def" if wants_async else "plain def"
            raise pluggy.PluginValidationError(plugin, f"hook {name!r} must be a {colour}")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise pluggy.PluginValidationError(plugin, f"hook {name!r} takes no wrappers")
        return options


class Dispatcher:
    """Calls hooks, one implementation at a time, each inside its own fault boundary.

    ``on_fault`` must not raise and must not call hooks.
    """

    def __init__(
        self,
        manager: PluginManager,
        on_fault: Callable[[Fault], None],
        *,
        on_enter: Callable[[str | None], None] = lambda _: None,
        budget: float = EVENT_BUDGET,
    ) -> None:
        self._manager = manager
        self._on_fault = on_fault
        self._on_enter = on_enter
        self._budget = budget
        self._frame_impls: dict[str, tuple[pluggy.HookImpl, ...]] = {}
        self._transit_impls: tuple[pluggy.HookImpl, ...] | None = None

    def plugins_changed(self) -> None:
        """Forget the frame tables; they are built again when the next frame comes."""
        self._frame_impls = {}
        self._transit_impls = None

    # --- sync hooks

    def collect(
        self, spec: Callable[P, Sequence[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> list[tuple[str, R]]:
        """Return what registration hooks return, each value with its plugin's name.

        A plugin that raises contributes nothing, and is a fault.
        """
        arguments = _bind(spec, args, kwargs)
        found: list[tuple[str, R]] = []
        for impl in self._impls(spec.__name__):
            values = self._guarded_sync(spec.__name__, impl, arguments)
            found += [(impl.plugin_name, value) for value in values or ()]
        return found

    def ask(self, spec: Callable[P, R | None], /, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return the first result that is not None of a sync question hook."""
        arguments = _bind(spec, args, kwargs)
        for impl in self._impls(spec.__name__):
            result: R | None = self._guarded_sync(spec.__name__, impl, arguments)
            if result is not None:
                return result
        return None

    def frame(self, node: Node, frame: Frame) -> bool:
        """Offer a frame to the plugins that want its type; True if one took it."""
        kind = frame.header.type
        impls = self._frame_impls.get(kind)
        if impls is None:
            impls = self._build_frame_table(kind)
        return self._offer("frame_received", impls, {"node": node, "frame": frame})

    def transit(self, node: Node, transit: Transit) -> bool:
        """Offer a frame for another node; True if a plugin dealt with it."""
        impls = self._transit_impls
        if impls is None:
            impls = self._transit_impls = tuple(self._impls("transit_received"))
        return self._offer("transit_received", impls, {"node": node, "transit": transit})

    def _offer(
        self, hook: str, impls: Iterable[pluggy.HookImpl], arguments: dict[str, object]
    ) -> bool:
        for impl in impls:
            self._on_enter(impl.plugin_name)
            try:
                if impl.function(*[arguments[name] for name in impl.argnames]):
                    return True
            except Exception as error:  # noqa: BLE001 - the fault boundary of frame hooks
                self._on_fault(Fault(impl.plugin_name, hook, error))
            finally:
                self._on_enter(None)
        return False

    def _build_frame_table(self, kind: str) -> tuple[pluggy.HookImpl, ...]:
        impls = tuple(
            impl
            for impl in self._impls("frame_received")
            if kind in getattr(impl.function, "clawmatrix_frame_types", (kind,))
        )
        if len(self._frame_impls) < 256:  # types come from peers: the table stays small
            self._frame_impls[kind] = impls
        return impls

    # --- async hooks

    async def notify(
        self, spec: Callable[P, Awaitable[None]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Await every implementation of an event hook."""
        arguments = _bind(spec, args, kwargs)
        for impl in self._impls(spec.__name__):
            await self._guarded(spec.__name__, impl, arguments)

    async def first(
        self, spec: Callable[P, Awaitable[R | None]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R | None:
        """Return the first result that is not None; later implementations are not called."""
        arguments = _bind(spec, args, kwargs)
        for impl in self._impls(spec.__name__):
            result: R | None = await self._guarded(spec.__name__, impl, arguments)
            if result is not None:
                return result
        return None

    async def _guarded(self, hook: str, impl: pluggy.HookImpl, arguments: dict[str, Any]) -> Any:
        self._on_enter(impl.plugin_name)
        try:
            with anyio.fail_after(self._budget):
                call: Callable[..., Awaitable[Any]] = impl.function  # type: ignore[assignment]
                return await call(*[arguments[name] for name in impl.argnames])
        except TimeoutError as error:
            late = error if str(error) else TimeoutError(f"took over {self._budget:g} s")
            self._on_fault(Fault(impl.plugin_name, hook, late))
        except Exception as error:  # noqa: BLE001 - the fault boundary of event hooks
            self._on_fault(Fault(impl.plugin_name, hook, error))
        finally:
            self._on_enter(None)
        return None

    # --- both

    def _guarded_sync(self, hook: str, impl: pluggy.HookImpl, arguments: dict[str, Any]) -> Any:
        self._on_enter(impl.plugin_name)
        try:
            return impl.function(*[arguments[name] for name in impl.argnames])
        except StartError:
            raise
        except Exception as error:  # noqa: BLE001 - the fault boundary of sync hooks
            self._on_fault(Fault(impl.plugin_name, hook, error))
            return None
        finally:
            self._on_enter(None)

    def _impls(self, hook: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return caller.get_hookimpls()[::-1]  # pluggy's order of calling


def _bind(
    spec: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> dict[str, Any]:
    return inspect.signature(spec).bind(*args, **kwargs).arguments
