"""Every file that a node really keeps has a version, and is held to it."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import NewerStateError
from clawmatrix_core.state.files import StateFile
from clawmatrix_core.state.folder import StateFolder
from tests.integration.conftest import NodeProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEPT = ["audit", "epoch", "http", "identity", "invitations", "model-names", "revocations", "trust"]
PASSING = {"lock", "control.socket"}
"""What is there while a node runs, and says nothing to the next run."""


@pytest.fixture
def lived(make_node: Callable[[str, str], NodeProcess]) -> NodeProcess:
    """A node that has stopped, after it used all that keeps state."""
    port = free_port()
    listens = f'[mesh]\nlisten = "127.0.0.1:{port}"\n[http]\nlisten = "127.0.0.1:0"\n'
    home = make_node("home", listens)
    guest = make_node("guest", f'plugins = ["mesh"]\n[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n')
    home.start()
    guest.start()
    home.wait_for_status("guest", "direct")
    home.ask("invite.add", expires=600)
    home.ask("revoke.add", node="guest")
    wait_for(lambda: home.ask("revoke.undo", node="guest"), "the guest is let in again")
    assert home.end() == 0
    assert guest.end(signal.SIGKILL) != 0
    return home


def state_of(node: NodeProcess) -> Path:
    return node.folder / f"{node.name}-state"


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.iterdir() if path.is_file())  # the audit has a folder
    return {path.name: path.read_bytes() for path in files if path.name not in PASSING}


def test_every_file_of_a_node_is_held_to_its_version(lived: NodeProcess) -> None:
    folder = state_of(lived)
    assert sorted(content(folder)) == [f"{name}.json" for name in KEPT]
    for name in KEPT:
        path = folder / f"{name}.json"
        old = path.read_bytes()
        stored = json.loads(old)
        assert {*stored} == {"version", "data"}
        path.write_text(json.dumps({**stored, "version": 99}))
        before = content(folder)

        ran = lived.cli("run")
        assert ran.returncode == 7
        assert ran.stdout == ""
        assert ran.stderr.startswith(f"clawmatrix: {path} has version 99, ")
        assert ran.stderr.count("\n") == 1
        assert content(folder) == before
        path.write_bytes(old)

    lived.start()
    known = wait_for(lambda: lived.ask("trust.list")["nodes"], "it starts, and knows who it knew")
    assert [entry["nodeId"] for entry in known] == ["guest"]
    assert lived.end() == 0


def test_the_next_release_upgrades_every_file_and_this_one_then_refuses_it(
    lived: NodeProcess,
) -> None:
    folder = state_of(lived)
    with StateFolder(folder) as state:
        before = {name: state.read(name) for name in KEPT}
    upgraded = [StateFile(name, (lambda old: {"was": old},)) for name in KEPT]
    with StateFolder(folder, upgraded) as state:
        assert {name: state.read(name)["was"] for name in KEPT} == before
    assert sorted(content(folder)) == [f"{name}.json" for name in KEPT]
    for name in KEPT:
        with (
            pytest.raises(NewerStateError, match=rf"{name}\.json has version 2"),
            StateFolder(folder, [StateFile(name)]) as state,
        ):
            state.read(name)
    assert lived.cli("run").returncode == 7
    assert lived.cli("key", "rotate").returncode == 7
    assert lived.cli("fingerprint").returncode == 7
