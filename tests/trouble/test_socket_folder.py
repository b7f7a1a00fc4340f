"""The folder of the control socket goes while the node runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import wait_for
from tests.trouble.conftest import HTTP

if TYPE_CHECKING:
    from tests.trouble.conftest import Site, TroubledNode

pytestmark = pytest.mark.slow


def answers(node: TroubledNode) -> bool:
    return node.cli("status").returncode == 0


def socket_of(node: TroubledNode) -> Path:
    return Path((node.folder / f"{node.name}-state" / "control.socket").read_text().strip())


def test_a_node_is_found_again_after_its_user_logged_out_and_in(net: Site) -> None:
    run = Path(os.environ["XDG_RUNTIME_DIR"])
    node = net.node(net.machine("one"), HTTP)
    assert run in socket_of(node).parents
    shutil.rmtree(run)
    wait_for(lambda: answers(node), "it is found while there is no runtime folder", 10)
    run.mkdir(mode=0o700)
    wait_for(lambda: answers(node), "it is found after the login", 10)
    again = node.cli("run")
    assert again.returncode == 4, again.stderr
    node.nothing_taken_out()
    node.stopped_within(3)


def test_a_node_is_found_again_after_somebody_squats_its_folder(
    net: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder is cleaned, and another user makes the node's folder first."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with TemporaryDirectory(prefix="cm") as temp:  # the path of a socket is short
        monkeypatch.setenv("TMPDIR", temp)
        node = net.node(net.machine("one"), HTTP)
        folder = socket_of(node).parent
        assert folder.parent == Path(temp)
        shutil.rmtree(folder)
        folder.mkdir()
        os.chown(folder, 34567, 34567)
        wait_for(lambda: answers(node), "it is found", 10)
        assert socket_of(node).parent != folder
        node.stopped_within(3)


def test_a_file_in_the_place_of_the_folder_does_no_harm(net: Site) -> None:
    run = Path(os.environ["XDG_RUNTIME_DIR"])
    node = net.node(net.machine("one"), HTTP)
    before = socket_of(node)
    shutil.rmtree(before.parent)
    before.parent.write_text("a file in the place of the folder")
    wait_for(lambda: answers(node), "it is found", 10)
    assert run not in socket_of(node).parents
    node.stopped_within(3)
