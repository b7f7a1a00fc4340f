"""The plugins of one node: chosen, loaded, and counted against where they fail."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from clawmatrix_core import hookspecs
from clawmatrix_core.base.cancellation import EndsProcess, stray
from clawmatrix_core.base.errors import PluginError
from clawmatrix_core.base.faults import Fault, Overrun
from clawmatrix_core.config.config import ConfigSection
from clawmatrix_core.loading.absent import why_absent
from clawmatrix_core.loading.dispatcher import Dispatcher
from clawmatrix_core.loading.hook_list import hooks_json
from clawmatrix_core.loading.loader import Loader
from clawmatrix_core.loading.manager import PluginManager
from clawmatrix_core.loading.plugin_info import PluginInfo
from clawmatrix_core.loading.specs import CORE
from clawmatrix_core.state.files import CORE_FILES, StateFile

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    import click

    from clawmatrix_core.base.json_value import JSON

__all__ = ["PluginInfo", "PluginRegistry"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_OVERRUNS = 3
_OVERRUN_WINDOW = 600.0
"""After so many hooks that ran out of time, in so many seconds, a plugin is taken out."""

_log = logging.getLogger("clawmatrix.plugins")


class PluginRegistry:
    """The plugins of one node, or of one command: found, chosen, loaded, watched."""

    def __init__(
        self,
        *,
        on_enter: Callable[[str | None], None] = lambda _: None,
        budget: float | None = None,
        now: Callable[[], float] = time.monotonic,
        remove_stalling: bool = True,
    ) -> None:
        """Make a registry.

        Args:
            on_enter: told whose code the event loop is about to run; None after it.
            budget: seconds that an event hook may take.
            now: the clock by which overruns are counted.
            remove_stalling: whether a plugin of a third party that overruns again and again is
                taken out.
        """
        self._now = now
        self._removes = remove_stalling
        self.manager = PluginManager()
        kwargs = {} if budget is None else {"budget": budget}
        self.hooks = Dispatcher(
            self.manager, self.on_fault, on_enter=on_enter, on_nothing=self._on_nothing, **kwargs
        )
        self._loader = Loader(self.manager)
        self._infos = self._loader.infos
        self._nameless: list[object] = []
        self._on_failed: list[Callable[[PluginInfo], None]] = []
        self._on_ending: Callable[[Fault], None] = lambda _: None

    def list(self) -> Sequence[PluginInfo]:
        """Return every plugin that is installed or was passed in, in order of loading."""
        return tuple(self._infos.values())

    def get(self, name: str) -> PluginInfo | None:
        """Return what is known of a plugin."""
        return self._infos.get(name)

    def active(self) -> Sequence[PluginInfo]:
        """Return the plugins that work, in order of loading."""
        return tuple(info for info in self._infos.values() if info.state == "active")

    def works(self, name: str) -> bool:
        """Say whether a plugin is loaded and has not been taken out."""
        info = self._infos.get(name)
        return info is not None and info.state == "active"

    def hook_list(self) -> Sequence[JSON]:
        """Return every hook with its implementations; see ``hooks_json``."""
        return hooks_json(self.manager, [info.name for info in self.active()])

    def why_absent(self, name: str) -> str:
        """Return why a plugin's method may be missing, in words to add; see ``why_absent``."""
        return why_absent(self.list(), name)

    def find(self, kind: type[T]) -> T | None:
        """Return the object of the first plugin that works and is of a kind, None without one.

        A plugin publishes such a kind, an abstract class, in its module ``api``.
        """
        objects = (info.plugin for info in self.active())
        return next((plugin for plugin in objects if isinstance(plugin, kind)), None)

    # --- loading

    def load(
        self, chosen: Sequence[str | object] | None = None, disabled: Iterable[str] = ()
    ) -> None:
        """Load plugins; see ``Loader.load``."""
        self._loader.load(chosen, disabled)
        self._changed()

    def add(self, plugin: object, name: str | None = None) -> PluginInfo:
        """Add a plugin object, or a class to make one from, that has no entry point."""
        info = self._loader.add(plugin, name)
        self._changed()
        return info

    def _changed(self) -> None:
        """Bring up to date what depends on which plugins work."""
        working = {info.name for info in self.active()}
        for info in self._infos.values():
            info.waits_for = tuple(owner for owner in info.extends if owner not in working)
        self.hooks.plugins_changed()

    # --- faults

    def on_fault(self, fault: Fault, *, log: bool = True) -> None:
        """Count a fault against its plugin; take the plugin out if it keeps overrunning.

        A plugin stays in where it comes with ClawMatrix, and whatever it does while it serves the
        input of others: nobody outside is to decide which plugins a node has. To be called in the
        thread of the event loop.
        """
        info = self._infos.get(fault.plugin)
        if info is None:
            _log.error("fault in %s: %s", fault.plugin, fault)
            return
        info.faults += 1
        info.last_fault = str(fault)
        if log and (info.faults <= 3 or info.faults % 1000 == 0):
            trace = None if isinstance(fault.error, PluginError) else fault.error
            _log.error("plugin %s: %s (fault %d)", info.name, fault, info.faults, exc_info=trace)
        if isinstance(fault.error, EndsProcess) and not fault.serving:
            self._on_ending(fault)
        counts = isinstance(fault.error, Overrun) and not (info.built_in or fault.serving)
        if counts and self._removes and self._overruns_too_often(info):
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
        info.fail(reason)
        self.manager.unregister(name=info.name)
        self._changed()
        for call in self._on_failed:
            call(info)

    def _on_nothing(self, plugin: str, hook: str) -> None:
        self._infos[plugin].warn(f"does nothing in {hook}: it returned None, not a list")

    def when_failed(self, call: Callable[[PluginInfo], None]) -> None:
        """Call this for each plugin that is taken out while it runs."""
        self._on_failed.append(call)

    def when_ending(self, call: Callable[[Fault], None]) -> None:
        """Call this with the fault of each plugin that means to end the process."""
        self._on_ending = call

    # --- what plugins register

    def collect(
        self,
        spec: Callable[P, Sequence[R]],
        kind: type[R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Sequence[tuple[str, R]]:
        """Return what a registration hook gives, by plugin, in order of loading.

        A value of another type is a fault of its plugin.
        """
        found: list[tuple[str, R]] = []
        for plugin, value in self.hooks.collect(spec, *args, **kwargs):
            if isinstance(value, kind):
                found.append((plugin, value))
            else:
                what = TypeError(f"gave a {type(value).__name__}, not a {kind.__name__}")
                self.on_fault(Fault(plugin, spec.__name__, what))
        order = {name: place for place, name in enumerate(self._infos)}
        return sorted(found, key=lambda one: order[one[0]])

    def unique(
        self, what: str, found: Iterable[tuple[str, R]], name_of: Callable[[R], str]
    ) -> Sequence[tuple[str, R]]:
        """Return the values whose names nobody had before: the first plugin loaded has a name.

        A value whose name is no text is a fault of its plugin, once, and left out.

        Args:
            what: what is named, for messages: ``control method``.
            found: values with their plugins, as ``collect`` returns them.
            name_of: returns the name of a value.
        """
        kept: dict[str, tuple[str, R]] = {}
        for plugin, value in found:
            try:
                name = _checked(name_of(value))
            except BaseException as error:  # it may be computed by the plugin
                if (fault := stray(error, called=True)) is None:
                    raise
                self._misnamed(Fault(plugin, what, fault), value)
                continue
            first, had = kept.setdefault(name, (plugin, value))
            if had is not value:
                self.collided(what, name, first, plugin)
        return tuple(kept.values())

    def _misnamed(self, fault: Fault, value: object) -> None:
        if all(value is not known for known in self._nameless):  # it is met again at each look
            self._nameless.append(value)
            self.on_fault(fault)

    def collided(self, what: str, name: str, first: str, plugin: str) -> None:
        """Note, in the log and with both plugins, that a name was taken already."""
        words = f"{what} {name}: {first} has it, that of {plugin} is left out"
        infos = [self._infos[one] for one in dict.fromkeys((first, plugin)) if one in self._infos]
        if any(words not in info.collisions for info in infos):
            _log.warning("%s", words)
        for info in infos:
            info.collisions = tuple(dict.fromkeys((*info.collisions, words)))

    # --- what commands ask without a node

    def config_sections(self) -> Sequence[ConfigSection]:
        """Return the tables of the configuration that the loaded plugins read.

        A plugin that declares the table of another one, and does not extend it, is taken out.
        """
        declared = self.collect(hookspecs.register_config, ConfigSection)
        owners: dict[str, str] = {}
        for plugin, section in declared:
            first = owners.setdefault(section.table, plugin)
            info = self._infos[plugin]
            if first not in (plugin, *info.extends):
                self.collided("table", section.table, first, plugin)
                self.fail(info, f"the table [{section.table}] belongs to the plugin {first}")
        return [section for plugin, section in declared if self.works(plugin)]

    def state_files(self) -> Sequence[StateFile]:
        """Return the files in the state folder that the loaded plugins declare.

        A file has one owner: the core has its own, then the plugin that was loaded first.
        """
        declared = self.collect(hookspecs.register_state_files, StateFile)
        own = [(CORE, file) for file in CORE_FILES]
        kept = self.unique("state file", [*own, *declared], lambda file: file.name)
        return [file for plugin, file in kept if plugin != CORE]

    def commands(self, taken: Container[str] = ()) -> Sequence[tuple[str, click.Command]]:
        """Return the commands that the loaded plugins add, with each plugin's name.

        Args:
            taken: the names of commands that no plugin can have.
        """
        import click  # only the command line needs it

        found = []
        for plugin, command in self.collect(hookspecs.register_commands, click.Command):
            if isinstance(command.name, str) and command.name in taken:
                self.collided("command", command.name, "clawmatrix", plugin)
            else:
                found.append((plugin, command))
        return self.unique("command", found, lambda command: command.name or "")


def _checked(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"its name is {'empty' if name == '' else f'a {type(name).__name__}'}")
    return name
