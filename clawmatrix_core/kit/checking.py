"""``clawmatrix plugins check``: whether plugins fit the node, before anybody installs them."""

from __future__ import annotations

import importlib
import inspect
import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import ConfigSection
from clawmatrix_core.config.docs import describe
from clawmatrix_core.config.named import load_class
from clawmatrix_core.kit.light import look_at_light_modules
from clawmatrix_core.kit.names import node_at_rest, note_collisions
from clawmatrix_core.loading.annotations import misfits_of_plugin
from clawmatrix_core.loading.contributions import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from clawmatrix_core.kit.target import Target
    from clawmatrix_core.loading.plugin_info import PluginInfo

__all__ = ["check_plugins"]


def check_plugins(target: Target, commands: Collection[str]) -> Sequence[Finding]:
    """Return what is right and wrong with plugins. Nothing is installed, and no node started.

    Args:
        target: the plugins.
        commands: the names of the core's own commands.
    """
    findings = list(look_at_light_modules(target))
    with target.importable():
        checking = _Checking(target)
        findings += checking.specifications()
        for name in target.plugins:
            findings += checking.plugin(name)
        findings += checking.names(commands)
    return findings


class _Checking:
    """A node that is not started, with the built-in plugins and those to check."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._node = node_at_rest()
        self._added: list[PluginInfo] = []

    # --- hooks of its own

    def specifications(self) -> Iterator[Finding]:
        """Yield whether each module of specifications can be used."""
        for owner, place in self._target.specs.items():
            name = f"hooks of {owner}"
            try:
                module = importlib.import_module(place)
                if not self._is_known(owner, vars(module)):
                    self._node.plugins.manager.add_specs(owner, module)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - others' code is run
                yield Finding(name, "problem", f"{place}: {error}")
                continue
            yield from self._own_specs(owner, name)

    def _is_known(self, owner: str, names: Collection[str]) -> bool:
        """Say whether the owner is installed too, so that its specifications were read."""
        specs = self._node.plugins.manager.specs
        own = [spec.name for spec in specs if spec.owner == owner]
        return bool(own) and all(name in names for name in own)

    def _own_specs(self, owner: str, name: str) -> Iterator[Finding]:
        own = [spec for spec in self._node.plugins.manager.specs if spec.owner == owner]
        for spec in own:
            first = next(iter(inspect.signature(spec.function).parameters), None)
            if first != "node":
                detail = f"{spec.name}: the first parameter is {first or 'missing'}, not node"
                yield Finding(name, "problem", detail, "node.hooks fills in the node")
            if not inspect.getdoc(spec.function):
                yield Finding(name, "warning", f"{spec.name} has no docstring")
        if owner not in self._target.plugins:
            yield Finding(name, "warning", "no plugin of that name is here to call them")
        yield Finding(name, "ok", f"specifies {', '.join(spec.name for spec in own)}")

    # --- the plugins

    def plugin(self, name: str) -> Iterator[Finding]:
        """Yield what is right and wrong with one plugin by itself."""
        plugins, place = self._node.plugins, self._target.plugins[name]
        known = plugins.get(name)
        if known is not None and known.built_in and not self._is_own(known):
            yield Finding(name, "problem", "a built-in plugin has that name", "choose another one")
            return
        try:
            loaded = _load(place)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - others' code is run
            detail = f"{place} cannot be imported: {type(error).__name__}: {error}"
            yield Finding(name, "problem", detail)
            return
        info = known if known is not None and known.built_in else plugins.add(loaded, name)
        self._added.append(info)
        if info.state != "active":
            yield Finding(name, "problem", info.reason or "is not active", _advice(info))
            return
        yield from self._origin(info, place)
        yield from self._hooks(info)
        yield from self._annotations(info)
        yield from self._options(info)

    def _is_own(self, known: PluginInfo) -> bool:
        return known.distribution == self._target.name

    def _origin(self, info: PluginInfo, place: str) -> Iterator[Finding]:
        """Yield where the plugin came from, if that is not the folder that is checked."""
        module = sys.modules[place.partition(":")[0]]
        file = getattr(module, "__file__", None) or ""
        if not any(Path(file).is_relative_to(folder) for folder in self._target.folders or "/"):
            detail = f"{module.__name__} was imported from {file}, not from the folder"
            yield Finding(info.name, "warning", detail, "uninstall the other one, or rename this")

    def _hooks(self, info: PluginInfo) -> Iterator[Finding]:
        if info.hooks:
            yield Finding(info.name, "ok", f"implements {', '.join(info.hooks)}")
        elif not self._node.plugins.manager.get_hookcallers(info.plugin):
            yield Finding(info.name, "problem", "implements no hook", "mark methods with @hookimpl")
        owners = {spec.owner for spec in self._node.plugins.manager.specs}
        for owner in info.extends:
            if owner not in owners:
                detail = f"{owner} is not installed here, so its hooks are not looked at"
                yield Finding(info.name, "skipped", detail, f"install {owner} beside it")
        for spec in self._node.plugins.manager.specs:
            if spec.name in info.hooks:
                yield from self._never_given(info.name, spec.name)

    def _never_given(self, plugin: str, hook: str) -> Iterator[Finding]:
        for impl in self._node.plugins.manager.calling_order(hook):
            if impl.plugin_name != plugin:
                continue
            for parameter in inspect.signature(impl.function).parameters.values():
                if parameter.default is not parameter.empty:
                    detail = f"{hook}({parameter.name}): has a default, so it is never given"
                    yield Finding(plugin, "warning", detail, "take parameters without defaults")

    def _annotations(self, info: PluginInfo) -> Iterator[Finding]:
        misfits = misfits_of_plugin(self._node.plugins.manager, info.name)
        for misfit in misfits:
            yield Finding(info.name, "problem" if misfit.resolved else "warning", str(misfit))
        if not misfits:
            yield Finding(info.name, "ok", "annotations fit the hooks")

    def _options(self, info: PluginInfo) -> Iterator[Finding]:
        sections = [one for plugin, one in self._sections() if plugin == info.name]
        options = [
            one
            for section in sections
            for one in describe(load_class(section.type), f"{section.table}.")
        ]
        bare = [option.path for option in options if not option.doc]
        for path in bare:
            detail = f"the option {path} is not documented"
            yield Finding(info.name, "problem", detail, 'declare it with option(..., doc="...")')
        if options and not bare:
            yield Finding(info.name, "ok", f"documents all of its options ({len(options)})")

    def _sections(self) -> Sequence[tuple[str, ConfigSection]]:
        return self._node.plugins.collect(hookspecs.register_config, ConfigSection)

    # --- all together

    def names(self, commands: Collection[str]) -> Iterator[Finding]:
        """Yield which names are taken, and what raised as it was asked for names."""
        plugins = self._node.plugins
        self._bind()
        plugins.state_files()
        plugins.commands()
        early = {info.name: info.faults for info in self._added}
        note_collisions(self._node, commands)
        for info in self._added:
            for words in info.collisions:
                yield Finding(info.name, "problem", words, "choose another name")
            if early[info.name]:
                yield Finding(info.name, "problem", str(info.last_fault))
            elif info.faults:
                detail = f"not compared with the names of others: {info.last_fault}"
                yield Finding(info.name, "warning", detail, "it is asked before a node starts")
            elif info.state == "active" and not info.collisions:
                yield Finding(info.name, "ok", "takes no name that others have")

    def _bind(self) -> None:
        """Have the tables read with their defaults; without those that have required keys."""
        config, plugins = self._node.config, self._node.plugins
        known = [info.name for info in plugins.list()]
        try:
            config.bind(plugins.config_sections(), known=known)
        except ConfigError:
            added = {info.name for info in self._added}
            config.bind([one for name, one in self._sections() if name not in added], known=known)


def _load(place: str) -> object:
    module, _, path = place.partition(":")
    loaded: object = importlib.import_module(module)
    return attrgetter(path)(loaded) if path else loaded


def _advice(info: PluginInfo) -> str | None:
    if "do not exist" in str(info.reason):
        return "correct the name, or name the owner of the hook: extends = (...)"
    if "does not extend" in str(info.reason):
        return "name the owners: extends = (...)"
    return None
