"""``clawmatrix`` within a test, beside a node that runs there."""

from __future__ import annotations

import json
import sys
import tomllib
from typing import TYPE_CHECKING

import click
import pytest

from clawmatrix_core.cli.context import Settings, pass_settings
from clawmatrix_core.cli.control_client import call
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.contributions import ControlMethod
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, run_command
from clawmatrix_core.testing.told import toml_text

if TYPE_CHECKING:
    from clawmatrix_core.base.json_value import JSON

pytestmark = pytest.mark.anyio


@click.command()
@pass_settings
def coo(settings: Settings) -> int:
    """Ask the running node, and read a line."""
    answer = call(settings.config_file(), "coo", {"name": sys.stdin.readline().strip()})
    click.echo(answer["said"])
    click.echo("to standard error", err=True)
    return 23


class Pigeons:
    @hookimpl
    def register_commands(self) -> list[click.Command]:
        return [coo]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        return [ControlMethod("coo", call=self._coo)]

    async def _coo(self, params: dict[str, JSON]) -> JSON:
        return {"said": f"coo, {params['name']}"}


async def test_a_command_of_an_object_asks_the_node(node_factory: NodeFactory) -> None:
    async with node_factory("a", built_in=("control",), plugins=[Pigeons()]) as node:
        done = await run_command(node, "coo", stdin="Martha\n")
        assert (done.exit_code, done.out) == (23, "coo, Martha\n")
        assert done.err == "to standard error\n"


async def test_commands_know_the_plugins_of_the_node(node_factory: NodeFactory) -> None:
    async with node_factory("a", built_in=("control", "mesh"), plugins=[Pigeons]) as node:
        done = await run_command(node, "status", "--json")
        assert json.loads(done.out)["nodeId"] == "a"
        assert "ping" in (await run_command(node, "--help")).out
        assert (await run_command(node, "config", "check")).exit_code == 0
        told = json.loads((await run_command(node, "plugins", "list", "--json")).out)["plugins"]
        states = {entry["name"]: entry["state"] for entry in told}
        assert (states["Pigeons"], states["relay"]) == ("active", "disabled")
        assert (await run_command(node, "no-such-command")).exit_code == 2


async def test_a_node_without_a_folder_has_no_command_line(node_factory: NodeFactory) -> None:
    async with node_factory("a") as node:
        with pytest.raises(TypeError, match="give it the control plugin"):
            await run_command(node, "status")
    own = Node(Config.from_mapping({"node_id": "a", "secret": SECRET}))
    with pytest.raises(TypeError, match="a was not made by node_factory"):
        await run_command(own, "status")


def test_what_a_node_was_told_is_written_as_toml() -> None:
    told = {
        "node_id": 'a "quoted"\n\x7f',
        "none": None,
        "tags": ["x", "ü"],
        "model-proxy": {"models": [{"id": "m", "weight": 0.5, "on": True, "none": None}]},
    }
    assert tomllib.loads(toml_text(told)) == {
        "node_id": 'a "quoted"\n\x7f',
        "tags": ["x", "ü"],
        "model-proxy": {"models": [{"id": "m", "weight": 0.5, "on": True}]},
    }
    with pytest.raises(TypeError, match="cannot be written as TOML"):
        toml_text({"x": object()})


async def test_the_next_command_line_has_the_commands_of_its_own_node(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("a", built_in=("control",)) as node:
        assert (await run_command(node, "coo")).exit_code == 2
    async with node_factory("b", built_in=("control",), plugins=[Pigeons()]) as node:
        done = await run_command(node, "coo", stdin="Martha\n")
        assert (done.exit_code, done.out) == (23, "coo, Martha\n")


class Notes:
    """A plugin with a group of commands."""

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        async def add(params: dict[str, JSON]) -> str:
            return f"{params['text']} is noted"

        return [ControlMethod("notes.add", call=add)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        @click.group()
        def notes() -> None:
            """Keep notes."""

        @notes.command()
        @click.argument("text")
        @pass_settings
        def add(settings: Settings, text: str) -> None:
            click.echo(call(settings.config_file(), "notes.add", {"text": text}))

        return [notes]


async def test_a_group_of_commands_takes_the_settings_behind_any_name(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("a", built_in=["mesh", "control"], plugins=[Notes]) as node:
        done = await run_command(node, "notes", "add", "milk")
        assert (done.exit_code, done.out) == (0, "milk is noted\n")
        done = await run_command(node, "notes", "add", "a\udcff")
        assert (done.exit_code, done.err) == (2, "clawmatrix: text: is not UTF-8 text\n")
