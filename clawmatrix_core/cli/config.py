"""``clawmatrix config``: check the configuration, list what it can say."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs
import click

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.context import (
    ExitCode,
    Settings,
    echo_json,
    load_plugins,
    pass_settings,
    printable,
)
from clawmatrix_core.kernel.gate import missing_grants
from clawmatrix_core.loading.absent import not_usable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.config.config import Config
    from clawmatrix_core.config.docs import FieldDoc
    from clawmatrix_core.kernel.registry import PluginRegistry

__all__ = ["Outcome", "config", "look_at", "options_of", "problems_of"]

R = TypeVar("R")


@attrs.frozen
class Outcome:
    """The findings about a configuration: mistakes, and allowed settings that look like mistakes.

    Where there are mistakes, there are no warnings.
    """

    problems: list[str]
    warnings: list[str] = attrs.field(factory=list)


def look_at(configuration: Config) -> Outcome:
    """Return every mistake in the configuration, as the node would name them, and warnings."""
    registry = load_plugins(configuration)
    infos = registry.list()
    problems = [*not_usable(infos, configuration.plugins or ())]
    problems += missing_grants(configuration, registry)
    known = [info.name for info in infos]
    resting = _Resting(registry, configuration)
    try:
        configuration.bind(registry.config_sections(), known=known)
        problems += configuration.mistakes_beside(resting)
    except ConfigError as error:
        problems += error.problems
    return Outcome(problems, [] if problems else configuration.warnings_beside(resting))


def problems_of(configuration: Config) -> list[str]:
    """Return every mistake in the configuration, as the node would name them."""
    return look_at(configuration).problems


class _Resting:
    """Asks plugins what they register where no node runs."""

    def __init__(self, registry: PluginRegistry, configuration: Config) -> None:
        self._registry = registry
        self._configuration = configuration

    def __call__(self, spec: Callable[..., Sequence[R]], kind: type[R], /) -> Sequence[R] | None:
        from clawmatrix_core.kernel.node import Node  # most configurations need no look at plugins

        node, before = Node(self._configuration), self._faults()
        found = self._registry.collect(spec, kind, node)
        return None if self._faults() > before else [value for _, value in found]

    def _faults(self) -> int:
        return sum(info.faults for info in self._registry.list())


def options_of(configuration: Config | None) -> list[FieldDoc]:
    """Return every option there is, the core's first, then table by table."""
    from clawmatrix_core.config.core import CoreConfig
    from clawmatrix_core.config.docs import describe
    from clawmatrix_core.config.named import load_class

    options = describe(CoreConfig)
    for section in load_plugins(configuration).config_sections():
        options += describe(load_class(section.type), f"{section.table}.")
    return options


@click.group(epilog="Example: clawmatrix config check")
def config() -> None:
    """Check the configuration, and see what it can say."""


@config.command(epilog="Example: clawmatrix config check -c relay.toml")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def check(settings: Settings, as_json: bool) -> int:
    """Say whether the configuration is right; name every mistake by its path."""
    path = settings.config_file()
    try:
        found = look_at(settings.load_config())
    except ConfigError as error:
        found = Outcome(list(error.problems))
    problems = found.problems
    if as_json:
        said = {"path": str(path), "valid": not problems}
        echo_json({**said, "problems": problems, "warnings": found.warnings})
        return ExitCode.CONFIG if problems else ExitCode.OK
    if problems:
        raise ConfigError(problems)
    for warning in found.warnings:
        click.echo(printable(f"warning: {warning}"))
    click.echo(f"{path} is valid")
    return ExitCode.OK


@config.command(epilog="Example: clawmatrix config schema --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def schema(settings: Settings, as_json: bool) -> None:
    """List every option of the core and of the plugins in use."""
    try:
        chosen = settings.load_config()
    except ConfigError:
        chosen = None
    options = options_of(chosen)
    if as_json:
        entries = [{**attrs.asdict(option), "required": option.required} for option in options]
        echo_json({"options": entries})
        return
    for option in options:
        default = "required" if option.default is None else f"default: {option.default}"
        click.echo(f"{option.path}\n    {option.doc}\n    {option.type}; {default}")
