"""The plugins of one node: chosen, loaded, and counted against where they fail."""

from __future__ import annotations

import inspect
import logging
import time
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

import attrs

from clawmatrix_core import hookspecs
from clawmatrix_core.base.distributions import about
from clawmatrix_core.base.faults import Fault, Overrun
from clawmatrix_core.config.config import ConfigSection
from clawmatrix_core.kernel.discovery import entry_points_in_order, is_built_in, missing_extra
from clawmatrix_core.kernel.dispatcher import Dispatcher
from clawmatrix_core.kernel.manager import SPECS, PluginManager
from clawmatrix_core.state.files import StateFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib import metadata

    import click

__all__ = ["PluginInfo", "PluginRegistry", "PluginState"]

P = ParamSpec("P")
R = TypeVar("R")

PluginState = Literal["active", "disabled", "not installed", "failed"]

_OVERRUNS = 3
_OVERRUN_WINDOW = 600.0
"""After so many hooks that ran out of time, in so many seconds, a plugin is taken out."""

_log = logging.getLogger("clawmatrix.plugins")


@attrs.define
class PluginInfo:
    """What is known of a plugin, shown by ``clawmatrix plugins list``.

    Attributes:
        name: its entry point's name, or the name it was registered by.
        distribution: the distribution it came with, None for an object a host passed in.
        version: that distribution's version.
        state: whether it works here, and why not in ``reason``.
        hooks: the hooks it implements, known once it is loaded.
        faults: how often a hook or task of it failed; the last one is ``last_fault``.
    """

    name: str
    distribution: str | None = None
    version: str | None = None
    state: PluginState = "disabled"
    reason: str | None = None
    hooks: tuple[str, ...] = ()
    faults: int = 0
    last_fault: str | None = None
    overruns: list[float] = attrs.field(factory=list, repr=False)
    built_in: bool = attrs.field(default=False, repr=False)
    plugin: object | None = attrs.field(default=None, repr=False)

    def to_json(self) -> dict[str, object]:
        """Return the plugin's entry in ``plugins list --json``."""
        entry: dict[str, object] = {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "state": self.state,
            "reason": self.reason,
            "hooks": list(self.hooks),
        }
        if self.faults:
            entry["faults"] = self.faults
            entry["lastFault"] = self.last_fault
        return entry


class PluginRegistry:
    """The plugins of one node, or of one command: found, chosen, loaded, watched."""

    def __init__(
        self,
        *,
        on_enter: Callable[[str | None], None] = lambda _: None,
        budget: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self.manager = PluginManager()
        kwargs = {} if budget is None else {"budget": budget}
        self.hooks = Dispatcher(self.manager, self.on_fault, on_enter=on_enter, **kwargs)
        self._infos: dict[str, PluginInfo] = {}
        self._on_failed: Callable[[PluginInfo], None] = lambda _: None

    def list(self) -> Sequence[PluginInfo]:
        """Return every plugin that is installed or was passed in, in order of loading."""
        return tuple(self._infos.values())

    def get(self, name: str) -> PluginInfo | None:
        """Return what is known of a plugin."""
        return self._infos.get(name)

    def active(self) -> Sequence[PluginInfo]:
        """Return the plugins that work, in order of loading."""
        return tuple(info for info in self._infos.values() if info.state == "active")

    # --- loading

    def load(
        self, chosen: Sequence[str | object] | None = None, disabled: Iterable[str] = ()
    ) -> None:
        """Load plugins: built-in ones first, then by name, then objects passed in.

        ``chosen`` names plugins and may hold plugin objects; None means every built-in one
        that is installed. One that cannot be loaded is put down as failed, with the reason.
        """
        off = frozenset(disabled)
        names = None if chosen is None else {item for item in chosen if isinstance(item, str)}
        for entry in entry_points_in_order():
            self._consider(entry, names, off)
        for name in sorted((names or set()) - self._infos.keys()):
            info = self._infos[name] = PluginInfo(name)
            self._failed(info, "no plugin of that name is installed")
        for item in chosen or ():
            if not isinstance(item, str):
                self.add(item)

    def _consider(
        self, entry: metadata.EntryPoint, names: set[str] | None, off: frozenset[str]
    ) -> None:
        dist = entry.dist
        info = PluginInfo(
            entry.name,
            about(dist)[0] if dist else None,
            about(dist)[1] if dist else None,
            built_in=is_built_in(entry),
        )
        if (first := self._infos.get(entry.name)) is not None:
            _log.warning(
                "two distributions have a plugin %s; that of %s is used, that of %s is left out",
                entry.name,
                first.distribution,
                info.distribution,
            )
            return
        self._infos[entry.name] = info
        missing = missing_extra(entry)
        if entry.name in off:
            info.reason = "disabled in the configuration"
        elif missing and (names is None or entry.name in names):
            info.state, info.reason = "not installed", missing
        elif names is not None and entry.name not in names:
            info.reason = "not among the plugins chosen"
        elif names is None and not info.built_in:
            info.reason = f"name it to use it: plugins = [..., {entry.name!r}]"
        else:
            self._load(entry, info)

    def _load(self, entry: metadata.EntryPoint, info: PluginInfo) -> None:
        try:
            loaded = entry.load()
            plugin = loaded() if inspect.isclass(loaded) else loaded
        except Exception as error:  # noqa: BLE001 - one broken plugin must not stop the others
            self._failed(info, f"could not be imported: {type(error).__name__}: {error}")
        else:
            self._register(plugin, info)

    def add(self, plugin: object, name: str | None = None) -> PluginInfo:
        """Add a plugin object, or a class to make one from, that has no entry point."""
        chosen = name or getattr(plugin, "plugin_name", None) or _name_of(plugin)
        while chosen in self._infos:
            chosen += "_"
        info = self._infos[chosen] = PluginInfo(chosen)
        try:
            made = plugin() if inspect.isclass(plugin) else plugin
        except Exception as error:  # noqa: BLE001 - one broken plugin must not stop the others
            self._failed(info, f"could not be made: {type(error).__name__}: {error}")
        else:
            self._register(made, info)
        return info

    def _register(self, plugin: object, info: PluginInfo) -> None:
        if self.manager.is_registered(plugin):
            known = self.manager.get_name(plugin)
            self._failed(info, f"is the same object as plugin {known}")
            return
        try:
            unknown = self.manager.unknown_hooks(plugin)
            if not unknown:
                self.manager.register(plugin, info.name)
        except Exception as error:  # noqa: BLE001 - attributes of plugins run their code
            self._failed(info, f"does not fit the hooks: {_on_one_line(error)}")
            return
        if unknown:
            self._failed(info, f"implements hooks that do not exist: {', '.join(unknown)}")
            return
        callers = self.manager.get_hookcallers(plugin) or []
        info.hooks = tuple(sorted(caller.name for caller in callers if caller.name in SPECS))
        info.plugin = plugin
        info.state, info.reason = "active", None
        self.hooks.plugins_changed()

    # --- faults

    def on_fault(self, fault: Fault) -> None:
        """Count a fault against its plugin; take the plugin out if it keeps overrunning.

        To be called in the thread of the event loop.
        """
        info = self._infos.get(fault.plugin)
        if info is None:
            _log.error("fault in %s: %s", fault.plugin, fault)
            return
        info.faults += 1
        info.last_fault = str(fault)
        if info.faults <= 3 or info.faults % 1000 == 0:
            _log.error(
                "plugin %s: %s (fault %d)", info.name, fault, info.faults, exc_info=fault.error
            )
        if isinstance(fault.error, Overrun) and self._overruns_too_often(info):
            self.fail(info, f"taken out after {_OVERRUNS} hooks that ran out of time: {fault}")

    def _overruns_too_often(self, info: PluginInfo) -> bool:
        now = self._now()
        info.overruns = [at for at in info.overruns if now - at < _OVERRUN_WINDOW]
        info.overruns.append(now)
        return len(info.overruns) >= _OVERRUNS

    def fail(self, info: PluginInfo, reason: str) -> None:
        """Take a plugin out: none of its hooks is called again."""
        if info.state != "active":
            return
        self._failed(info, reason)
        self.manager.unregister(name=info.name)
        self.hooks.plugins_changed()
        self._on_failed(info)

    def when_failed(self, call: Callable[[PluginInfo], None]) -> None:
        """Call this for each plugin that is taken out while it runs."""
        self._on_failed = call

    def _failed(self, info: PluginInfo, reason: str) -> None:
        info.state, info.reason = "failed", reason
        _log.error("plugin %s failed: %s", info.name, reason)

    # --- what plugins register

    def collect(
        self,
        spec: Callable[P, Sequence[R]],
        kind: type[R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Sequence[tuple[str, R]]:
        """Return what a registration hook gives, by plugin; what is of no such type is a fault."""
        found: list[tuple[str, R]] = []
        for plugin, value in self.hooks.collect(spec, *args, **kwargs):
            if isinstance(value, kind):
                found.append((plugin, value))
            else:
                what = TypeError(f"gave a {type(value).__name__}, not a {kind.__name__}")
                self.on_fault(Fault(plugin, spec.__name__, what))
        return found

    # --- what commands ask without a node

    def config_sections(self) -> Sequence[ConfigSection]:
        """Return the tables of the configuration that the loaded plugins read."""
        declared = self.collect(hookspecs.register_config, ConfigSection)
        return [section for _, section in declared]

    def state_files(self) -> Sequence[StateFile]:
        """Return the files in the state folder that the loaded plugins declare."""
        declared = self.collect(hookspecs.register_state_files, StateFile)
        return [file for _, file in declared]

    def commands(self) -> Sequence[tuple[str, click.Command]]:
        """Return the commands that the loaded plugins add, with each plugin's name."""
        import click  # only the command line needs it

        return self.collect(hookspecs.register_commands, click.Command)


def _on_one_line(error: Exception) -> str:
    return "; ".join(str(error).strip().splitlines()) or type(error).__name__


def _name_of(plugin: object) -> str:
    kind = plugin if inspect.isclass(plugin) or inspect.ismodule(plugin) else type(plugin)
    return str(getattr(kind, "__name__", "plugin"))
