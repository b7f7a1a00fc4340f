"""``clawmatrix plugins`` without a node; with one, see the tests of the control plugin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from clawmatrix_core.cli.context import hosted_plugins
from clawmatrix_core.cli.plugins import render_hooks, render_plugins
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_plugins_are_listed_without_a_configuration(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["plugins", "list", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["plugins"]}
    control = entries["control"]
    assert set(control) == {"name", "distribution", "version", "state", "reason", "hooks"}
    assert (control["distribution"], control["state"]) == ("clawmatrix", "active")
    assert "register_commands" in control["hooks"]


def test_the_configuration_decides_what_is_active(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = nowhere / "a.toml"
    path.write_text(
        'node_id = "a"\nsecret = "env:UNSET"\nstate_dir = "s"\nplugins = ["control", "foo"]\n'
    )
    assert execute(["plugins", "list", "--json", "-c", str(path)]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["plugins"]}
    assert entries["control"]["state"] == "active"
    assert entries["mesh"]["state"] == "disabled"
    assert entries["foo"]["reason"].startswith("no plugin of that name is installed")


def test_a_configuration_that_is_asked_for_must_be_there(nowhere: Path) -> None:
    assert execute(["plugins", "list", "-c", "none.toml"]) == 2


def test_plugins_for_people() -> None:
    entries: list[dict[str, Any]] = [
        {
            "name": "mesh",
            "distribution": "clawmatrix",
            "version": "0.1.0",
            "state": "active",
            "reason": None,
            "hooks": ["link_opened", "start_plugin"],
            "faults": 2,
            "lastFault": "link_opened: ValueError: \x1b",
        },
        {
            "name": "own",
            "distribution": None,
            "version": None,
            "state": "failed",
            "reason": "did not start",
            "hooks": [],
        },
    ]
    assert render_plugins(entries).splitlines() == [
        "mesh  active",
        "      clawmatrix 0.1.0",
        "      hooks: link_opened, start_plugin",
        "      faults: 2, last link_opened: ValueError: �",
        "own   failed: did not start",
        "      passed in by the host",
    ]


def test_what_a_plugin_waits_for_and_collides_with_is_shown() -> None:
    entry: dict[str, Any] = {
        "name": "b",
        "distribution": "b",
        "version": "1",
        "state": "active",
        "reason": None,
        "hooks": [],
        "waitsFor": ["http", "owls"],
        "collisions": ["route GET /x: a has it, that of b is left out", "offer y: \x1b"],
    }
    assert render_plugins([entry]).splitlines() == [
        "b  active",
        "   b 1",
        "   waits for: http, owls",
        "   collision: route GET /x: a has it, that of b is left out",
        "   collision: offer y: �",
    ]


def test_hooks_are_listed_with_owner_and_implementations(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = nowhere / "a.toml"
    path.write_text('node_id = "a"\nsecret = "env:UNSET"\nplugins = ["relay", "control", "mesh"]\n')
    assert execute(["plugins", "hooks", "--json", "-c", str(path)]) == 0
    hooks = {hook["name"]: hook for hook in json.loads(capsys.readouterr().out)["hooks"]}
    assert hooks["compute_routes"] == {
        "name": "compute_routes",
        "owner": "core",
        "kind": "first",
        "async": False,
        "called": True,
        "plugins": ["relay", "mesh"],
    }
    assert hooks["start_plugin"]["plugins"] == ["control", "mesh", "relay"]  # as they were loaded
    routes = hooks["register_http_routes"]
    assert (routes["owner"], routes["called"], routes["plugins"]) == ("http", False, [])


def test_hooks_for_people() -> None:
    core = {"owner": "core", "called": True}
    told = render_hooks(
        [
            core | {"name": "node_started", "kind": "notify", "async": True, "plugins": ["b", "a"]},
            core | {"name": "register_x", "kind": "collect", "async": False, "plugins": []},
            {"owner": "http", "called": False, "name": "register_routes", "kind": "collect"}
            | {"async": False, "plugins": ["dice"]},
        ]
    )
    assert told.splitlines() == [
        "core",
        "  node_started     notify   async  b, a",
        "  register_x       collect  def    -",
        "http (not in use here: nobody calls its hooks)",
        "  register_routes  collect  def    dice",
    ]


class Trusts:
    """A plugin with the names of a command of the core and of one of the mesh plugin."""

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        return [click.Command("run"), click.Command("trust"), click.Command("trusts")]


def test_commands_that_share_a_name_are_told_by_list_and_doctor(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = nowhere / "a.toml"
    path.write_text(f'node_id = "a"\nsecret = "{"s" * 40}"\nstate_dir = "s"\nplugins = ["mesh"]\n')
    path.chmod(0o600)
    words = [
        "command run: clawmatrix has it, that of trusts is left out",
        "command trust: mesh has it, that of trusts is left out",
    ]
    with hosted_plugins({"trusts": Trusts()}):
        assert execute(["plugins", "list", "--json", "-c", str(path)]) == 0
        listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)["plugins"]}
        assert listed["trusts"]["collisions"] == words
        assert listed["mesh"]["collisions"] == words[1:]
        execute(["doctor", "--json", "-c", str(path)])
        checks = json.loads(capsys.readouterr().out)["checks"]
        told = [(one["name"], one["detail"]) for one in checks if one["status"] == "warning"]
        assert [("plugin.trusts", text) for text in words] == [
            one for one in sorted(told) if one[1].startswith("command")
        ]
        assert execute(["trust", "--help", "-c", str(path)]) == 0
        assert "accept" in capsys.readouterr().out
