"""The command ``clawmatrix``: a shell around the node and the commands of its plugins."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec

from clawmatrix_core.base.faults import Fault
from clawmatrix_core.base.redaction import redact
from clawmatrix_core.base.text import lenient_output
from clawmatrix_core.cli.alone import command_alone
from clawmatrix_core.cli.collector import hold_back
from clawmatrix_core.cli.context import (
    ExitCode,
    Settings,
    load_plugins,
    printable,
    root_options,
    with_settings,
)
from clawmatrix_core.cli.guarded_output import guarded_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core.config.config import Config

__all__ = ["cli", "execute", "main"]

OWN_COMMANDS = {
    "init": "clawmatrix_core.cli.init:init",
    "run": "clawmatrix_core.cli.run:run",
    "config": "clawmatrix_core.cli.config:config",
    "plugins": "clawmatrix_core.cli.plugins:plugins",
    "doctor": "clawmatrix_core.cli.doctor:doctor",
    "secret": "clawmatrix_core.cli.secret:secret",
    "key": "clawmatrix_core.cli.key:key",
    "service": "clawmatrix_core.cli.service:service",
    "completion": "clawmatrix_core.cli.completion:completion",
    "help": "clawmatrix_core.cli.help:help_",
}
"""Commands of the core, by where they are: each is imported when it is wanted."""


class _PipeClosed(Exception):
    """Whoever reads standard output has closed it."""


class Shell(click.Group):
    """The group of all commands: the core's, then the plugins'."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names; newcomers' commands come first."""
        return [*OWN_COMMANDS, *sorted(self._plugin_commands(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; plugins are loaded only for a name that the core does not have."""
        if cmd_name in OWN_COMMANDS:
            return with_settings(_import(OWN_COMMANDS[cmd_name]))
        found = self._plugin_command(ctx, cmd_name)
        return None if found is None else found.command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to run, or say why there is none."""
        peek_config(ctx.ensure_object(Settings), args)
        try:
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None and name not in OWN_COMMANDS:
                found = self._plugin_command(ctx, name)
                ctx.ensure_object(Settings).plugin = None if found is None else found.stranger
            return name, command, rest
        except click.UsageError as error:  # older versions of click have no narrower one
            if args[0].startswith("-"):
                raise
            told = error.format_message()
            if hint := _plugin_left_out(ctx, args[0]) or _plugin_not_named(ctx, args[0], told):
                raise click.UsageError(hint, ctx) from None
            if why := _plugin_failed(ctx, args[0]):
                raise click.UsageError(f"{told.rstrip('.')}{why}", ctx) from None
            if meant := _nearest(args[0], self.list_commands(ctx)):
                told = f"no command {args[0]!r}; did you mean {meant!r}?"
                raise click.UsageError(told, ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, with a closed pipe told apart from other errors."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise _PipeClosed from error
        return result

    def _plugin_command(self, ctx: click.Context, name: str) -> PluginCommand | None:
        """Return the command of a plugin; other plugins are loaded only where that takes it."""
        if __name__ not in ctx.meta:
            known: dict[str, PluginCommand | None] = ctx.meta.setdefault(f"{__name__}.alone", {})
            if name not in known:
                alone = command_alone(name, ctx.ensure_object(Settings))
                known[name] = PluginCommand(with_settings(alone), None) if alone else None
            if known[name] is not None:
                return known[name]
        return self._plugin_commands(ctx).get(name)

    def _plugin_commands(self, ctx: click.Context) -> dict[str, PluginCommand]:
        # Kept for one command line: the next one in this process may have other plugins.
        if __name__ not in ctx.meta:
            ctx.meta[__name__] = _commands_of(_readable_config(ctx.ensure_object(Settings)))
        added: dict[str, PluginCommand] = ctx.meta[__name__]
        return added


def peek_config(settings: Settings, args: Sequence[str]) -> None:
    """Note a ``-c FILE`` behind the command's name: it says which plugins there are."""
    for here, following in zip_longest(args, args[1:]):
        if here == "--":
            return
        if here in ("-c", "--config") and following is not None:
            settings.file = Path(following)
        elif here.startswith("--config="):
            settings.file = Path(here.removeprefix("--config="))


class PluginCommand(msgspec.Struct, frozen=True):
    """A command of a plugin.

    Attributes:
        command: the command, with the options that all commands take.
        stranger: the name of the plugin, None for one that comes with ClawMatrix.
    """

    command: click.Command
    stranger: str | None


def _commands_of(config: Config | None) -> dict[str, PluginCommand]:
    registry = load_plugins(config)
    found: dict[str, PluginCommand] = {}
    for plugin, command in registry.commands(OWN_COMMANDS):
        info = registry.get(plugin)
        stranger = None if info is None or info.built_in else plugin
        try:
            found[str(command.name)] = PluginCommand(with_settings(command), stranger)
        except Exception as error:  # noqa: BLE001 - a plugin may put anything into a command
            registry.on_fault(Fault(plugin, f"command {command.name}", error))
    for info in registry.list():
        if info.faults:
            told = printable(f"clawmatrix: warning: plugin {info.name}: {info.last_fault}")
            click.echo(told, err=True)
    return found


def _readable_config(settings: Settings) -> Config | None:
    from clawmatrix_core.base.errors import ConfigError

    try:
        return settings.load_config()
    except ConfigError:
        return None  # the command itself says so, if it needs one


def _plugin_left_out(ctx: click.Context, name: str) -> str | None:
    config = _readable_config(ctx.ensure_object(Settings))
    if config is not None and name in _commands_of(None):
        return f"{name!r} is a command of a plugin that {config.path} leaves out"
    missing = [info for info in load_plugins(config).list() if info.state == "not installed"]
    if not missing:
        return None
    what = "; ".join(f"{info.name} {info.reason}" for info in missing)
    return f"no command {name!r}; not all plugins are installed: {what}"


def _nearest(command: str, commands: Sequence[str]) -> str | None:
    from clawmatrix_core.config.messages import nearest  # right commands do without

    return nearest(command, commands)


def _plugin_failed(ctx: click.Context, command: str) -> str:
    from clawmatrix_core.loading.absent import why_absent

    plugins = load_plugins(_readable_config(ctx.ensure_object(Settings))).list()
    return why_absent([info for info in plugins if info.state == "failed"], command)


def _plugin_not_named(ctx: click.Context, command: str, told: str) -> str | None:
    """Name the plugins that may have the command; code of plugins that nobody named never runs."""
    config = _readable_config(ctx.ensure_object(Settings))
    off = config.disable if config is not None else ()
    unused = [
        info.name
        for info in load_plugins(config).list()
        if info.state == "disabled" and not info.built_in and info.name not in off
    ]
    if not unused:
        return None
    if command in unused:
        which = f"the plugin {command} is installed and not in use: name it"
    else:
        which = f"the plugins {', '.join(unused)} are installed and not in use: name one"
    where = config.path if config is not None else "the configuration"
    return f"{told.rstrip('.')}; {which} in `plugins` of {where}"


def _import(place: str) -> click.Command:
    module, _, name = place.partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    return command


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from clawmatrix_core.base.distributions import own_version

        click.echo(f"clawmatrix {own_version()}")
        ctx.exit()


cli = Shell(
    name="clawmatrix",
    help="One mesh for AI-agent gateways: any model on any machine.",
    params=[
        *root_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)


def execute(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; errors go to standard error."""
    with guarded_output():
        return _execute(arguments)


def _execute(arguments: Sequence[str]) -> int:
    settings = Settings()
    logging.getLogger("clawmatrix").addHandler(logging.NullHandler())  # `run` sets up a log
    try:
        result = cli.main(
            list(arguments), prog_name="clawmatrix", standalone_mode=False, obj=settings
        )
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except _PipeClosed:
        _silence(sys.stdout.fileno())
        return ExitCode.PIPE_CLOSED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.CONFIG
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - what a user sees of any error is one line
        return _tell(error, settings)
    return int(result) if isinstance(result, int) else ExitCode.OK


def _tell(error: BaseException, settings: Settings) -> int:
    from clawmatrix_core.cli.errors import describe

    if settings.verbosity >= 2:
        import traceback

        for line in redact("".join(traceback.format_exception(error))).splitlines():
            click.echo(printable(line), err=True)
    code, lines = describe(error, settings.plugin)
    for line in lines:  # an indented line continues the one before
        prefix = "" if line.startswith("    ") else "clawmatrix: "
        click.echo(f"{prefix}{printable(redact(line))}", err=True)
    return code


def _silence(descriptor: int) -> None:
    """Let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def main() -> NoReturn:
    """Run ``clawmatrix`` and exit."""
    hold_back()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=lenient_output())
    sys.exit(execute(sys.argv[1:]))
