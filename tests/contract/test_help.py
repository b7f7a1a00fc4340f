"""The help of every command says what it is for, and ends with an example that it takes."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import TYPE_CHECKING, cast

import click
import pytest

from clawmatrix_core.cli.context import Settings
from clawmatrix_core.cli.shell import cli, execute
from clawmatrix_core.cli.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def root() -> click.Context:
    return click.Context(cli, info_name="clawmatrix", obj=Settings())


def walk(group: click.Group, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield the words of every command below a group, and the command."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=ctx)
        yield inner.command_path, command
        if isinstance(command, click.Group):
            yield from walk(command, inner)


COMMANDS = dict(walk(cli, root()))


def examples(text: str) -> list[list[str]]:
    """Return the arguments of each command line of clawmatrix in a text."""
    found = re.findall(r"\bclawmatrix ([^|)\n`]+)", text)
    return [shlex.split(line) for line in found]


def parse(arguments: list[str]) -> str:
    """Have the command of these arguments read them, and return the words of its name."""
    ctx, words, command = root(), list(arguments), cast("click.Command", cli)
    while isinstance(command, click.Group) and words:
        name, found, words = command.resolve_command(ctx, words)
        assert found is not None
        command = found
        if not isinstance(command, click.Group) or (words and words[0].startswith("-")):
            return command.make_context(name, words, parent=ctx).command_path
        ctx = click.Context(command, info_name=name, parent=ctx)
    return ctx.command_path


@pytest.mark.parametrize("path", COMMANDS)
def test_help_says_in_one_line_what_the_command_is_for(path: str) -> None:
    summary = (COMMANDS[path].help or "").strip().split("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^\n]{8,100}\.", summary)


@pytest.mark.parametrize("path", COMMANDS)
def test_help_ends_with_an_example_that_the_command_takes(path: str) -> None:
    epilog = COMMANDS[path].epilog or ""
    assert epilog.startswith("Example: ")
    (arguments,) = examples(epilog)
    assert parse(arguments).startswith(path)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_commands_of_a_topic_exist_and_take_their_arguments(topic: str) -> None:
    indented = [line for line in TOPICS[topic].splitlines() if line.startswith("    ")]
    found = examples("\n".join(indented))
    assert found
    for arguments in found:
        assert parse(arguments) in COMMANDS


@pytest.mark.parametrize("topic", ["reverse-proxy", "grants"])
def test_the_settings_of_a_topic_are_valid(
    topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    _, _, rest = TOPICS[topic].partition("    [")
    table = textwrap.dedent("    [" + rest.partition("\n\n")[0])
    config = tmp_path / "clawmatrix.toml"
    config.write_text(f'node_id = "office"\nsecret = "{"s" * 40}"\nstate_dir = "state"\n{table}')
    config.chmod(0o600)
    assert execute(["config", "check", "-c", str(config)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["ping"], ["grants", "add", "home", "--tool", "read"], ["invite", "--adress", "x"]],
)
def test_an_example_that_does_not_fit_is_found(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(arguments)
