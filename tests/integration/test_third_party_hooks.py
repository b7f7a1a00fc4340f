"""A distribution that specifies hooks, a second one that implements them, a third that errs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NodeProcess, wait_for
from tests.integration.wheels import install_wheels

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(__file__).parent / "third_party_hooks"
HANG_LIMIT = 10.0
"""Seconds an event hook may take (docs/hooks.md)."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter that has the three wheels."""
    sources = [SOURCES / name for name in ("tower", "chimes", "crooked")]
    return install_wheels(tmp_path_factory.mktemp("hooks"), *sources)


@pytest.fixture
def run_node(
    python: Path, make_node: Callable[[str, str], NodeProcess]
) -> Callable[[str], NodeProcess]:
    """Return what starts a node with the plugins of the three distributions."""

    def run(more: str = "") -> NodeProcess:
        plugins = ["control", "tower", "chimes", "deep-chimes", "crooked"]
        node = make_node("belfry", f"plugins = {json.dumps(plugins)}\n{more}")
        node.python = str(python)
        node.start()
        wait_for(lambda: node.ask("status", probe=False), f"it is up\n{node.log}")
        return node

    return run


def listed(node: NodeProcess) -> dict[str, Any]:
    done = node.cli("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {entry["name"]: entry for entry in json.loads(done.stdout)["plugins"]}


def test_hooks_of_a_plugin_are_called_as_those_of_the_core_are(
    run_node: Callable[[str], NodeProcess],
) -> None:
    node = run_node("")
    found = listed(node)
    assert [found[name]["state"] for name in ("tower", "chimes", "deep-chimes")] == ["active"] * 3
    assert found["chimes"]["hooks"] == [
        "bell_ringer",
        "bell_rung",
        "register_chimes",
        "register_control_methods",
    ]
    assert "waitsFor" not in found["chimes"]
    assert (found["crooked"]["state"], found["crooked"]["reason"]) == (
        "failed",
        "implements hooks that do not exist: bell_rang",
    )
    answer = {"chimes": [["chimes", "westminster"], ["deep-chimes", "gong"]], "ringer": "chimes"}
    for hour in (12, 13, 14):  # the second is a fault of one plugin, the third hangs it
        assert node.ask("tower.ring", hour=hour) == answer
    rung = ["deep-chimes 12", "chimes 12", "deep-chimes 13", "deep-chimes 14"]
    assert node.ask("chimes.rung") == rung  # the plugin loaded last is called first

    found = listed(node)
    assert found["chimes"]["faults"] == 2
    assert found["chimes"]["lastFault"] == f"bell_rung: Overrun: took over {HANG_LIMIT:g} s"
    assert found["deep-chimes"]["faults"] == 3
    assert found["deep-chimes"]["lastFault"] == "register_chimes: TypeError: gave a int, not a str"
    assert node.end() == 0


def test_where_the_owner_is_disabled_its_extenders_wait_and_a_misspelt_hook_is_an_error(
    run_node: Callable[[str], NodeProcess],
) -> None:
    node = run_node('disable = ["tower"]\n')
    found = listed(node)
    assert found["tower"]["state"] == "disabled"
    for name in ("chimes", "deep-chimes"):
        assert (found[name]["state"], found[name]["waitsFor"]) == ("active", ["tower"])
    assert found["crooked"]["reason"] == "implements hooks that do not exist: bell_rang"
    assert node.ask("chimes.rung") == []
    assert node.end() == 0
