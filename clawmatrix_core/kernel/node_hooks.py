"""The hooks of one node: each is called with the node as its first argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from clawmatrix_core.base.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from clawmatrix_core.base.answers import Answer
    from clawmatrix_core.kernel.registry import PluginRegistry
    from clawmatrix_core.loading.plugin_info import PluginInfo
    from clawmatrix_core.wire.frames import Frame, Transit

__all__ = ["NodeHooks"]

P = ParamSpec("P")
R = TypeVar("R")


class NodeHooks:
    """Calls hooks of plugins with the node filled in; see ``Dispatcher`` for each verb."""

    def __init__(self, plugins: PluginRegistry, node: object) -> None:
        self._plugins = plugins
        self._hooks = plugins.hooks
        self._node = node

    def plugins(self) -> Sequence[PluginInfo]:
        """Return what is known of each plugin."""
        return self._plugins.list()

    def frame(self, frame: Frame) -> bool:
        """Give a frame to the plugins that want its type, until one takes it."""
        return self._hooks.frame(self._node, frame)

    def transit(self, transit: Transit) -> bool:
        """Give a frame for another node to the plugins, until one deals with it."""
        return self._hooks.transit(self._node, transit)

    def collect(
        self,
        spec: Callable[Concatenate[Any, P], Sequence[R]],
        kind: type[R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Sequence[tuple[str, R]]:
        """Return what a registration hook gives, by plugin."""
        return self._plugins.collect(spec, kind, self._node, *args, **kwargs)

    def registered(self, spec: Callable[..., Sequence[R]], kind: type[R], /) -> Sequence[R]:
        """Return what a registration hook gives; see ``ConfigSection.check``."""
        return [value for _, value in self._plugins.collect(spec, kind, self._node)]

    def unique(
        self, what: str, found: Iterable[tuple[str, R]], name_of: Callable[[R], str]
    ) -> Sequence[tuple[str, R]]:
        """Return the values whose names nobody had before; see ``PluginRegistry.unique``."""
        return self._plugins.unique(what, found, name_of)

    def collided(self, what: str, name: str, first: str, plugin: str) -> None:
        """Note that a plugin registered a name which another one had first."""
        self._plugins.collided(what, name, first, plugin)

    def report(
        self,
        plugin: str,
        what: Callable[..., object] | str,
        error: Exception,
        *,
        serving: bool = False,
    ) -> None:
        """Count a fault of a plugin.

        Args:
            plugin: the name of the plugin.
            what: the specification of the hook, or a word for what failed.
            error: what it raised, or what is wrong with the values it gave.
            serving: it failed while it served the input of others, and is not taken out for that.
        """
        name = what if isinstance(what, str) else what.__name__
        self._plugins.on_fault(Fault(plugin, name, error, serving))

    def fail(self, plugin: str, reason: str) -> None:
        """Take a plugin out, with all that it registered: what it handed over cannot be used."""
        if (info := self._plugins.get(plugin)) is not None:
            self._plugins.fail(info, reason)

    def when_failed(self, call: Callable[[PluginInfo], None]) -> None:
        """Call this for each plugin that is taken out from now on."""
        self._plugins.when_failed(call)

    def works(self, plugin: str) -> bool:
        """Say whether a plugin is loaded and has not been taken out."""
        return self._plugins.works(plugin)

    def implementing(self, spec: Callable[..., object]) -> tuple[str, ...]:
        """Return the plugins that implement a hook, in the order in which they are called."""
        return self._hooks.implementing(spec.__name__)

    def ask(
        self,
        spec: Callable[Concatenate[Any, P], R | None],
        check: Callable[[R], R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R | None:
        """Return the first answer to a sync question that ``check`` lets pass."""
        return self._hooks.ask(spec, check, self._node, *args, **kwargs)

    async def notify(
        self,
        spec: Callable[Concatenate[Any, P], Awaitable[None]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Await every implementation of an event hook."""
        await self._hooks.notify(spec, self._node, *args, **kwargs)

    async def first(
        self,
        spec: Callable[Concatenate[Any, P], Awaitable[R | None]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R | None:
        """Return the first answer to a question that is not None."""
        return await self._hooks.first(spec, self._node, *args, **kwargs)

    async def one(
        self,
        plugin: str,
        spec: Callable[Concatenate[Any, P], Awaitable[R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R | None:
        """Await the implementation of one plugin. Raises: what it raises."""
        return await self._hooks.one(plugin, spec, self._node, *args, **kwargs)

    async def every(
        self,
        spec: Callable[Concatenate[Any, P], Awaitable[R | None]],
        kind: type[R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Sequence[Answer[R]]:
        """Ask all plugins; return what each said, or its fault."""
        return await self._hooks.every(spec, kind, self._node, *args, **kwargs)

    async def demand(
        self,
        spec: Callable[Concatenate[Any, P], Awaitable[R]],
        kind: type[R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Sequence[tuple[str, R]]:
        """Have all plugins answer. Raises: DemandFailed, where one fails, or there is none."""
        return await self._hooks.demand(spec, kind, self._node, *args, **kwargs)
