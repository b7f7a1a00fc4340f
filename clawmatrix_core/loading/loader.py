"""Loading plugins: which are chosen, which can be imported, and which fit the hooks."""

from __future__ import annotations

import inspect
import logging
import operator
from typing import TYPE_CHECKING

from clawmatrix_core.base.distributions import about
from clawmatrix_core.config.messages import nearest
from clawmatrix_core.loading.discovery import (
    GROUP,
    SPECS_GROUP,
    entry_points_in_order,
    is_built_in,
    missing_extra,
    other_version,
)
from clawmatrix_core.loading.plugin_info import PluginInfo
from clawmatrix_core.loading.specs import CORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib import metadata
    from types import ModuleType

    from clawmatrix_core.loading.manager import PluginManager

__all__ = ["Loader"]

_log = logging.getLogger("clawmatrix.plugins")

_UNKNOWN = "no plugin of that name is installed"
_INSTALLING = (
    " (entry points are those of installed distributions: `pip install -e FOLDER` installs one that"
    " you are writing)"
)


class Loader:
    """Loads plugins into a manager. One that cannot be loaded stops no other.

    The specifications of hooks come first: those of every installed plugin, chosen or not, and
    those of objects. Then each plugin is compared with them.

    Attributes:
        infos: every plugin that is installed or was passed in, by name, in order of loading.
    """

    def __init__(self, manager: PluginManager) -> None:
        self.infos: dict[str, PluginInfo] = {}
        self._manager = manager
        self._specs_read = False
        self._unusable_specs: dict[str, str] = {}
        self._here: set[str] = set()  # plugins that are installed or passed in

    def load(
        self, chosen: Sequence[str | object] | None = None, disabled: Iterable[str] = ()
    ) -> None:
        """Load plugins: built-in ones first, then by name, then objects passed in.

        ``chosen`` names plugins and may hold plugin objects; None means every built-in one
        that is installed. One that cannot be loaded is put down as failed, with the reason.
        """
        off = frozenset(disabled)
        objects = [item for item in chosen or () if not isinstance(item, str)]
        installed = entry_points_in_order()
        self._read_specs(installed[SPECS_GROUP])
        self._here |= {entry.name for entry in installed[GROUP]}
        for item in objects:
            self._here.add(_name_of(item))
            self._add_specs_of(_name_of(item), item)
        names = None if chosen is None else {item for item in chosen if isinstance(item, str)}
        for entry in installed[GROUP]:
            self._consider(entry, names, off)
        there = [*self.infos, *map(_name_of, objects)]
        for name in sorted((names or set()) - self.infos.keys()):
            info = self.infos[name] = PluginInfo(name)
            near = nearest(name, there)
            info.fail(_UNKNOWN + (f'; did you mean "{near}"?' if near else _INSTALLING))
        for name in sorted(off - {*there}):
            if near := nearest(name, there):
                _log.warning('disable: no plugin is called %s; did you mean "%s"?', name, near)
        for item in objects:
            self.add(item)

    def _read_specs(self, entries: Sequence[metadata.EntryPoint] | None = None) -> None:
        """Read the hooks that plugins specify: of all that are installed, chosen or not."""
        if self._specs_read:
            return
        self._specs_read = True
        owners: dict[str, str] = {}
        for entry in entry_points_in_order()[SPECS_GROUP] if entries is None else entries:
            distribution = about(entry.dist)[0] if entry.dist else "?"
            if unfit := other_version(entry):
                self._unusable_specs[entry.name] = unfit
            elif entry.name not in owners:
                owners[entry.name] = distribution
                self._add_specs(entry.name, entry.load)
            else:
                _log.warning(
                    "two distributions have hook specifications of %s;"
                    " those of %s are used, those of %s are left out",
                    entry.name,
                    owners[entry.name],
                    distribution,
                )

    def _add_specs_of(self, owner: str, plugin: object) -> None:
        self._add_specs(owner, lambda: getattr(plugin, "hookspecs", None))

    def _add_specs(self, owner: str, read: Callable[[], ModuleType | type | None]) -> None:
        try:
            namespace = read()
            if namespace is not None:
                self._manager.add_specs(owner, namespace)
        except BaseException as error:  # noqa: BLE001 - one broken plugin must not stop the others
            _words_of(error)
            why = f"its hook specifications cannot be used: {_on_one_line(error)}"
            self._unusable_specs[owner] = why
            _log.error("plugin %s: %s", owner, why)

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
        if (first := self.infos.get(entry.name)) is not None:
            _log.warning(
                "two distributions have a plugin %s; that of %s is used, that of %s is left out",
                entry.name,
                first.distribution,
                info.distribution,
            )
            return
        self.infos[entry.name] = info
        missing = missing_extra(entry)
        if entry.name in off:
            info.reason = "disabled in the configuration"
        elif missing and (names is None or entry.name in names):
            info.state, info.reason = "not installed", missing
            if names is not None:
                _log.warning("plugin %s is not installed: it %s", info.name, missing)
        elif names is not None and entry.name not in names:
            info.reason = "not among the plugins chosen"
        elif names is None and not info.built_in:
            info.reason = f"name it to use it: plugins = [..., {entry.name!r}]"
        elif unfit := other_version(entry):
            info.fail(unfit)
        else:
            self._load(entry, info)

    def _load(self, entry: metadata.EntryPoint, info: PluginInfo) -> None:
        try:
            loaded = entry.load()
            plugin = loaded() if inspect.isclass(loaded) else loaded
        except BaseException as error:  # noqa: BLE001 - one broken plugin must not stop the others
            info.fail(f"could not be imported: {_words_of(error)}")
        else:
            self._register(plugin, info)

    def add(self, plugin: object, name: str | None = None) -> PluginInfo:
        """Add a plugin object, or a class to make one from, that has no entry point."""
        self._read_specs()
        chosen = name or _name_of(plugin)
        if chosen not in self.infos and all(one.owner != chosen for one in self._manager.specs):
            self._add_specs_of(chosen, plugin)
        self._here.add(chosen)
        while (known := self.infos.get(chosen)) is not None and known.state != "disabled":
            chosen += "_"
        info = known or PluginInfo(chosen)  # it may stand in for one that was not chosen
        self.infos.pop(chosen, None)  # objects come last, in the host's order
        self.infos[chosen] = info
        self._tell_renamed(name or _name_of(plugin), info)
        try:
            made = plugin() if inspect.isclass(plugin) else plugin
        except BaseException as error:  # noqa: BLE001 - one broken plugin must not stop the others
            info.fail(f"could not be made: {_words_of(error)}")
        else:
            self._register(made, info)
        return info

    def _tell_renamed(self, name: str, info: PluginInfo) -> None:
        if name == info.name:
            return
        words = f"plugin {name}: another one has this name, the later one is called {info.name}"
        _log.warning("%s", words)
        for one in (self.infos[name], info):
            one.collisions = (*one.collisions, words)

    def _register(self, plugin: object, info: PluginInfo) -> None:
        try:
            extends = _extends_of(plugin)
            wrong = self._wrong_with(plugin, info.name, extends)
            if wrong is None:
                self._manager.register(plugin, info.name)
        except BaseException as error:  # noqa: BLE001 - attributes of plugins run their code
            _words_of(error)
            info.fail(f"does not fit the hooks: {_on_one_line(error)}")
            return
        if wrong is not None:
            info.fail(wrong)
            return
        callers = self._manager.get_hookcallers(plugin) or []
        names = {caller.name for caller in callers}
        info.hooks = tuple(sorted(name for name in names if name in self._manager.specs))
        info.plugin, info.extends = plugin, extends
        info.state, info.reason = "active", None
        if not info.hooks and getattr(plugin, "hookspecs", None) is None:
            info.warn("does nothing: it implements no hook")

    def _wrong_with(self, plugin: object, name: str, extends: Sequence[str]) -> str | None:
        if name == CORE:
            return f"no plugin can be called {CORE!r}"
        getattr(plugin, "plugin_name", None)  # one that raises was passed over for the name
        if not operator.eq(plugin, plugin):
            return "is not equal to itself, so that nobody can find it again"
        if self._manager.is_registered(plugin):
            return f"is the same object as plugin {self._manager.get_name(plugin)}"
        known = self._here - self._unusable_specs.keys()
        unusable = self._unusable_specs.get(name)
        return unusable or self._manager.misfits(name, plugin, extends, known)


def _words_of(error: BaseException) -> str:
    """Return an error in words. Raises: Ctrl-C again, which is the user's."""
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        raise error
    return f"{type(error).__name__}: {error}"


def _on_one_line(error: BaseException) -> str:
    return "; ".join(str(error).strip().splitlines()) or type(error).__name__


def _name_of(plugin: object) -> str:
    kind = plugin if inspect.isclass(plugin) or inspect.ismodule(plugin) else type(plugin)
    try:
        name = str(getattr(plugin, "plugin_name", None) or "")
    except BaseException as error:  # noqa: BLE001 - it may be computed; the plugin fails as it is registered
        _words_of(error)
        name = ""
    return name or str(getattr(kind, "__name__", "plugin"))


def _extends_of(plugin: object) -> tuple[str, ...]:
    extends = getattr(plugin, "extends", ())
    named = isinstance(extends, tuple | list) and all(isinstance(name, str) for name in extends)
    if not named:
        raise TypeError('extends must be a tuple of plugin names, as in extends = ("http",)')
    return tuple(extends)
