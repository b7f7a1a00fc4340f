"""The options that every command takes."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from clawmatrix_core.cli.context import (
    Settings,
    hosted_plugins,
    load_plugins,
    pass_settings,
    printable,
    with_settings,
)
from clawmatrix_core.cli.shell import peek_config


@click.command()
@pass_settings
def show(settings: Settings) -> Settings:
    return settings


@click.command()
@click.option("-c", "--count", type=int)
@pass_settings
def counting(settings: Settings, count: int) -> tuple[Settings, int]:
    return settings, count


def test_a_command_takes_the_shared_options() -> None:
    arguments = ["-c", "x.toml", "-vv", "--log", "info", "--log-json"]
    settings = with_settings(show).main(arguments, standalone_mode=False)
    assert settings == Settings(Path("x.toml"), 2, "info", True)


def test_options_before_and_after_the_name_add_up() -> None:
    given = Settings(Path("first.toml"), 1, "info")
    settings = with_settings(show).main(["-v"], standalone_mode=False, obj=given)
    assert settings == Settings(Path("first.toml"), 2, "info")


def test_the_options_reach_the_commands_of_a_group() -> None:
    outer, inner = click.Group("outer"), click.Group("inner")
    outer.add_command(inner)
    inner.add_command(show)
    arguments = ["-v", "inner", "show", "--config", "x.toml"]
    settings = with_settings(outer).main(arguments, standalone_mode=False)
    assert settings == Settings(Path("x.toml"), 1)


def test_an_option_the_command_has_is_left_to_it() -> None:
    settings, count = with_settings(counting).main(["-c", "3", "-v"], standalone_mode=False)
    assert count == 3
    assert settings == Settings(verbosity=1)


def test_the_command_itself_is_not_changed() -> None:
    before = list(show.params)
    with_settings(show)
    assert show.params == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["status", "-c", "a.toml"], Path("a.toml")),
        (["status", "--config=a.toml", "--json"], Path("a.toml")),
        (["status", "--config", "a.toml"], Path("a.toml")),
        (["status", "-c"], None),
        (["send", "--", "-c", "a.toml"], None),
        ([], None),
    ],
)
def test_the_configuration_is_seen_behind_the_name(
    arguments: list[str], expected: Path | None
) -> None:
    settings = Settings()
    peek_config(settings, arguments)
    assert settings.file == expected


def test_what_could_steer_a_terminal_is_replaced() -> None:
    assert printable("qwen3 ü ●") == "qwen3 ü ●"
    assert printable("a\x1b[2Jb\r\n") == "a�[2Jb��"


def test_plugin_objects_of_the_program_are_known_within_the_block() -> None:
    plugin = object()
    with hosted_plugins({"own": plugin}):
        info = load_plugins(None).get("own")
        assert info is not None
        assert (info.plugin, info.state) == (plugin, "active")
    assert load_plugins(None).get("own") is None


def test_a_command_finds_out_which_node_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('node_id = "office"\nsecret = "env:NOT_SET"\nstate_dir = "kept"\n')
    place = Settings(path).locate()
    assert (place.node_id, place.state_dir) == ("office", tmp_path / "kept")
