"""What the commands of ``clawmatrix`` share: exit codes, the options of every command."""

from __future__ import annotations

import copy
import inspect
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from clawmatrix_core.base.errors import ClawMatrixError
from clawmatrix_core.base.plain_text import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clawmatrix_core.cli.control_client import NodePlace
    from clawmatrix_core.config.config import Config
    from clawmatrix_core.kernel.registry import PluginRegistry

__all__ = [
    "CommandError",
    "ExitCode",
    "Settings",
    "echo_json",
    "hosted_plugins",
    "load_plugins",
    "pass_settings",
    "printable",
    "root_options",
    "with_settings",
]

DEFAULT_LOG = "info"
"""What a node in the foreground logs, unless it is told: its links come and go."""

C = TypeVar("C", bound=click.Command)

_hosted: ContextVar[Mapping[str, object]] = ContextVar("_hosted")


class ExitCode(IntEnum):
    """What the exit status of ``clawmatrix`` says. Scripts lean on these numbers.

    The numbers that are missing here belong to commands of plugins.
    """

    OK = 0
    FAILURE = 1
    CONFIG = 2
    NOT_RUNNING = 3
    IN_USE = 4
    ADDRESS_IN_USE = 5
    UNREACHABLE = 6
    NEWER_STATE = 7
    PROBLEMS = 12
    INTERRUPTED = 130
    PIPE_CLOSED = 141


class CommandError(ClawMatrixError):
    """A command failed. A command of a plugin may end with an exit code of its own."""

    def __init__(self, message: str, *, exit_code: int = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Settings(msgspec.Struct):
    """The options that every command takes, before or after its name.

    Attributes:
        file: what ``-c`` named.
        verbosity: how often ``-v`` was given.
        log: what ``--log`` gave.
        log_json: whether the log is written as JSON.
        plugin: the third party's plugin whose command runs, None for others.
    """

    file: Path | None = None
    verbosity: int = 0
    log: str | None = None
    log_json: bool = False
    plugin: str | None = None

    def config_file(self) -> Path:
        """Return the configuration file to use. Raises: ConfigError."""
        from clawmatrix_core.base.paths import find_config

        return find_config(self.file)

    @property
    def config_path(self) -> Path:
        """The configuration file to use. Raises: ConfigError."""
        return self.config_file()

    def locate(self) -> NodePlace:
        """Return which node the configuration is for, and where its state is; reads no secret.

        Raises: ConfigError.
        """
        from clawmatrix_core.cli.control_client import locate

        return locate(self.config_file())

    def load_config(self) -> Config:
        """Return the configuration, the tables of plugins not yet read. Raises: ConfigError."""
        from clawmatrix_core.config.config import Config

        return Config.load(self.config_file())

    def start_logging(self, config: Config) -> None:
        """Send the log to standard error. Raises: ConfigError."""
        from clawmatrix_core.base.errors import ConfigError
        from clawmatrix_core.base.log import configure_logging

        try:
            configured = config.log
        except ConfigError:
            configured = None  # named with all other problems when the node starts
        configure_logging(
            self.log or configured or DEFAULT_LOG,
            json=self.log_json,
            stream=sys.stderr,
            verbosity=self.verbosity,
        )


pass_settings = click.make_pass_decorator(Settings, ensure=True)


def with_settings(command: C) -> C:
    """Return the command with the options of ``Settings``; a group, with all that is in it.

    An option whose name the command uses for something else is left to the command.
    """
    own = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    extended = copy.copy(command)
    extended.params = list(command.params)
    extended.short_help = command.short_help or _summary(command.help)
    does_nothing = isinstance(command, click.Group) and not command.invoke_without_command
    for param in _shared_options(shown=not does_nothing):
        if own.isdisjoint(param.opts):
            extended.params.append(param)
    if isinstance(extended, click.Group):
        extended.commands = {name: with_settings(c) for name, c in extended.commands.items()}
    return extended


def _summary(help_: str | None) -> str | None:
    """Return the first sentence of a help text, whole: click cuts it off at the line's end."""
    if help_ is None or "\b" in help_:
        return None
    paragraph = " ".join(inspect.cleandoc(help_).partition("\n\n")[0].split())
    sentence, full_stop, _ = paragraph.partition(". ")
    return sentence.rstrip(".") + "." if full_stop or paragraph else None


def root_options() -> list[click.Parameter]:
    """Return the options of ``Settings`` for the command ``clawmatrix`` itself."""
    return _shared_options(shown=True, all_shown=True)


def _shared_options(*, shown: bool, all_shown: bool = False) -> list[click.Parameter]:
    return [
        _option(
            ["-c", "--config"],
            "file",
            "The configuration file; else ./clawmatrix.toml, else the user's.",
            type=click.Path(path_type=Path),
            metavar="FILE",
            hidden=not shown,
        ),
        _option(
            ["-v", "--verbose"],
            "verbosity",
            "Log more; twice for everything.",
            count=True,
            hidden=not all_shown,
        ),
        _option(
            ["--log"],
            "log",
            'Levels by component, such as "info" or "warning,mesh:debug".',
            metavar="SPEC",
            hidden=not all_shown,
        ),
        _option(
            ["--log-json"],
            "log_json",
            "Log JSON, one object a line.",
            is_flag=True,
            hidden=not all_shown,
        ),
    ]


def _option(names: list[str], field: str, help_: str, **kwargs: Any) -> click.Option:
    return click.Option(names, help=help_, callback=_keep(field), expose_value=False, **kwargs)


def _keep(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        settings = context.ensure_object(Settings)
        if field == "verbosity":
            settings.verbosity += value
        elif value not in (None, False):
            setattr(settings, field, value)

    return keep


@contextmanager
def hosted_plugins(plugins: Mapping[str, object]) -> Iterator[None]:
    """Have the commands within the block know plugin objects too, by these names.

    A program that passes objects to its node passes them here, and its ``clawmatrix`` has
    their commands and tables.
    """
    token = _hosted.set(plugins)
    try:
        yield
    finally:
        _hosted.reset(token)


def load_plugins(config: Config | None) -> PluginRegistry:
    """Return the plugins that the configuration chooses; without one, the built-in ones.

    Plugin objects of the program come behind them; see ``hosted_plugins``.
    """
    from clawmatrix_core.kernel.registry import PluginRegistry

    registry = PluginRegistry()
    if config is None:
        registry.load()
    else:
        registry.load(config.plugins, config.disable)
    for name, plugin in _hosted.get({}).items():
        registry.add(plugin, name)
    return registry


def echo_json(value: object, *, compact: bool = False, err: bool = False) -> None:
    """Print JSON: indented for people and diffs, or on one line for streams of it.

    What moves the cursor of a terminal, or the direction of text, is an escape in it. ``err``
    prints it to standard error.
    """
    click.echo(json_text(value, indent=None if compact else 2), err=err)
