"""The checks of the core, of its configuration, plugins and state folder; and all checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
import attrs

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import Config
from clawmatrix_core.doctor.running import finding_json, run_checks
from clawmatrix_core.doctor.state_checks import look_at_files, look_at_folder, look_at_lock
from clawmatrix_core.kernel.gate import missing_grants
from clawmatrix_core.loading.contributions import Check, Finding
from clawmatrix_core.state.files import CORE_FILES
from clawmatrix_core.state.folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.registry import PluginRegistry
    from clawmatrix_core.loading.plugin_info import PluginInfo
    from clawmatrix_core.state.files import StateFile

__all__ = [
    "OwnChecks",
    "all_checks",
    "config_problems",
    "config_warnings",
    "examine",
    "look_at_names",
    "look_at_plugins",
]


def all_checks(config: Config, plugins: PluginRegistry, node: Node | None = None) -> list[Check]:
    """Return every check there is, the core's own first.

    ``node`` is the node that runs, None where none runs or it does not answer.
    """
    own = OwnChecks(plugins).register_checks(config, node)
    added = plugins.collect(hookspecs.register_checks, Check, config=config, node=node)
    return [*own, *(attrs.evolve(check, plugin=plugin) for plugin, check in added)]


async def examine(node: Node) -> list[dict[str, JSON]]:
    """Return what all checks of a node that runs find, as ``doctor --json`` has it."""
    checks = all_checks(node.config, node.plugins, node)
    return [finding_json(finding) for finding in await run_checks(checks)]


class OwnChecks:
    """The core's own checks, with the signature of the hook that plugins implement."""

    def __init__(self, plugins: PluginRegistry) -> None:
        self._plugins = plugins

    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Return the core's own checks."""
        if node is None:
            return [self._plugins_check(config), self._resting_state_check(config)]
        return [_config_check(node), self._plugins_check(config), _state_check(node)]

    def _plugins_check(self, config: Config) -> Check:
        async def plugins() -> Sequence[Finding]:
            missing = missing_grants(config, self._plugins)
            advice = "mend the plugin, or take the table out"
            found = [Finding("plugins", "problem", words, advice) for words in missing]
            return [*found, *look_at_plugins(self._plugins.list(), config.plugins or ())]

        return Check("plugins", plugins)

    def _resting_state_check(self, config: Config) -> Check:
        async def state() -> Sequence[Finding]:
            files = [*CORE_FILES, *self._plugins.state_files()]
            return await anyio.to_thread.run_sync(_look_at_state, config.state_dir, files)

        return Check("state.folder", state)


def _config_check(node: Node) -> Check:
    async def config() -> Sequence[Finding]:
        return await _compare(node)

    return Check("config", config)


def _state_check(node: Node) -> Check:
    async def state() -> Sequence[Finding]:
        folder = node.state
        if not isinstance(folder, StateFolder):
            return [Finding("state.folder", "skipped", "the state is in memory")]
        return await anyio.to_thread.run_sync(lambda: list(look_at_folder(folder.path)))

    return Check("state.folder", state)


def _look_at_state(path: Path, files: list[StateFile]) -> list[Finding]:
    return [*look_at_folder(path), *look_at_lock(path), *look_at_files(path, files)]


def config_problems(problems: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for each mistake in a configuration."""
    advice = "mend the file; `clawmatrix config schema` lists what can stand there"
    for problem in problems:
        yield Finding("config", "problem", problem, advice)


def config_warnings(warnings: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for each thing in a configuration that is probably not meant."""
    for warning in warnings:
        yield Finding("config", "warning", warning)


async def _compare(node: Node) -> Sequence[Finding]:
    """Hold the file against what is in force."""
    path = node.config.path
    if path is None:
        return [Finding("config", "skipped", "the configuration is from code")]
    try:
        new = await anyio.to_thread.run_sync(Config.load, path)
        _, changes = node.config.taking(new)
        if mistakes := new.mistakes_beside(node.hooks.registered):
            return list(config_problems(mistakes))
        warned = list(config_warnings(new.warnings_beside(node.hooks.registered)))
    except ConfigError as error:
        return list(config_problems(error.problems))
    waiting = [(changes.reloaded, "clawmatrix reload"), (changes.restart, "restart the node")]
    differing = [
        Finding("config", "warning", f"in {path}, but not in force: {', '.join(sorted(keys))}", how)
        for keys, how in waiting
        if keys
    ]
    return [*warned, *differing] or [Finding("config", "ok", f"{path} is valid, and in force")]


def look_at_plugins(infos: Iterable[PluginInfo], named: Collection[object]) -> Iterator[Finding]:
    """Yield what is wrong with plugins; ``named`` are those that somebody chose by name."""
    active, infos = 0, list(infos)
    for info in infos:
        name, detail = f"plugin.{info.name}", info.reason or ""
        active += info.state == "active"
        if info.state == "failed":
            advice = (
                "see its message in the log; `disable = [...]` in the configuration leaves it out"
            )
            yield Finding(name, "problem", detail, advice)
        elif info.state == "not installed":
            command = detail.partition(": ")[2] or detail
            advice = f"run: {command}, or leave it out with `disable`"
            wanted = info.name in named
            yield Finding(name, "problem" if wanted else "warning", detail, advice)
        elif info.faults:
            detail = f"{info.faults} faults, the last one: {info.last_fault}"
            yield Finding(name, "warning", detail, "see the log; it goes on working")
        for words in info.warnings:
            advice = "tell who wrote the plugin, or leave it out with `disable`"
            yield Finding(name, "warning", words, advice)
    yield from _look_at_neighbours(infos)
    yield Finding("plugins", "ok", f"{active} are active")


def _look_at_neighbours(infos: Collection[PluginInfo]) -> Iterator[Finding]:
    """Yield where plugins wait for others, or have the name of something of another one."""
    for info in infos:
        # A built-in plugin does without the others where it is chosen without them.
        if info.state == "active" and info.waits_for and not info.built_in:
            owners = ", ".join(info.waits_for)
            advice = f"add {owners} to `plugins`; `clawmatrix plugins hooks` lists what they call"
            yield Finding(f"plugin.{info.name}", "warning", f"waits for {owners}", advice)
    yield from look_at_names(infos)


def look_at_names(infos: Collection[PluginInfo]) -> Iterator[Finding]:
    """Yield where plugins registered a name that another one had first."""
    # Both plugins have the words; it is the one loaded later that has to change.
    left_out = {words: info.name for info in infos for words in info.collisions}
    for words, name in left_out.items():
        yield Finding(f"plugin.{name}", "warning", words, "disable one of the two, or rename it")
