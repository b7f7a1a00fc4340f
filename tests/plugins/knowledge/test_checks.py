"""What the doctor says of workspaces, of a node that runs and of one that does not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import Config
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_knowledge.plugin import KnowledgePlugin
from tests.plugins.knowledge.two import Two

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]

BARE = """
import sys
from clawmatrix_core import Config
from clawmatrix_knowledge.plugin import KnowledgePlugin
config = Config.from_mapping({"node_id": "home", "secret": "s" * 40})
plugin = KnowledgePlugin()
config.bind(plugin.register_config())
before = set(sys.modules)
assert plugin.register_checks(config, None) == []
print(*set(sys.modules) - before)
"""


@pytest.fixture
def two(node_factory: NodeFactory, tmp_path: Path) -> Two:
    return Two(node_factory, tmp_path)


def read(table: dict[str, object] | None) -> Config:
    tables = {} if table is None else {"knowledge": table}
    config = Config.from_mapping({"node_id": "home", "secret": "s" * 40, **tables})
    config.bind(KnowledgePlugin().register_config())
    return config


def notes(path: Path, **options: object) -> dict[str, object]:
    return {"workspaces": {"notes": {"path": str(path), **options}}}


async def told(
    plugin: KnowledgePlugin, config: Config, node: Node | None, name: str = "knowledge"
) -> list[tuple[str, str, str]]:
    (check,) = [one for one in plugin.register_checks(config, node) if one.name == name]
    return [(one.status, one.detail, one.advice or "") for one in await check.run()]


async def of(two: Two, name: str) -> list[tuple[str, str, str]]:
    return await told(two.plugins[name], two.nodes[name].config, two.nodes[name])


async def test_a_node_without_workspaces_has_no_check() -> None:
    assert KnowledgePlugin().register_checks(read(None), None) == []
    assert KnowledgePlugin().register_checks(read({}), None) == []


def test_a_node_without_the_table_imports_nothing_for_its_checks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BARE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


async def test_a_folder_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    plugin, gone, file = KnowledgePlugin(), tmp_path / "gone", tmp_path / "file"
    file.write_text("x")
    place = "`path` of [knowledge.workspaces.notes]"
    assert await told(plugin, read(notes(gone)), None) == [
        ("problem", f"notes: {gone} is not there", f"make it, or mend {place}")
    ]
    assert await told(plugin, read(notes(file)), None) == [
        ("problem", f"notes: {file} is not a folder", f"mend {place}")
    ]
    gone.mkdir()
    assert await told(plugin, read(notes(gone)), None) == [
        ("ok", f"notes: the folder {gone} is there", "")
    ]


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Be a user whom the modes of files hold for; return a folder that it only reads."""
    was_root, folder = os.geteuid() == 0, Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    if was_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        folder.rmdir()


async def test_a_folder_that_cannot_be_written_is_named() -> None:
    with unprivileged() as folder:
        ((status, detail, _),) = await told(KnowledgePlugin(), read(notes(folder)), None)
    assert (status, detail) == ("problem", f"notes: {folder} cannot be written")


async def test_the_python_of_the_index_has_to_have_automerge(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o700)
    for python, words in ((tmp_path / "none", "No such file"), (bare, "No module named")):
        config = read({**notes(tmp_path), "index_python": str(python)})
        ((status, detail, advice),) = await told(KnowledgePlugin(), config, None, "knowledge.index")
        assert status == "problem"
        assert detail.startswith(f"{python} cannot keep the index: ")
        assert words in detail
        assert advice.startswith("`index_python` of [knowledge] has to name a Python")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="this Python has no automerge")
async def test_a_python_with_automerge_is_well(tmp_path: Path) -> None:
    found = await told(KnowledgePlugin(), read(notes(tmp_path)), None, "knowledge.index")
    assert found == [("ok", f"{sys.executable} can keep the index", "")]


async def test_a_workspace_that_runs_is_well_and_one_that_rests_says_how_it_goes_on(
    two: Two,
) -> None:
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)
        assert await of(two, "home") == [("ok", "notes: running", "")]
        await two.space("home").pause(paused=True)
        how = "`clawmatrix sync resume --workspace notes` lets it go on"
        assert await of(two, "home") == [("warning", "notes: paused", how)]


async def test_a_workspace_that_halted_names_both_answers(two: Two) -> None:
    async with two.both():
        await two.lose_many()
        ((status, detail, advice),) = await of(two, "home")
        assert status == "problem"
        assert detail.startswith("notes: halted, ")
        assert "files are gone here, such as " in detail
        assert "`clawmatrix sync reject-deletes --workspace notes`" in advice
        assert "`clawmatrix sync allow-deletes --workspace notes`" in advice


async def test_problems_are_counted_and_the_first_one_is_named(two: Two) -> None:
    async with two.running("home", "office", peers=[]):
        await wait_until(lambda: two.plugins["home"].keepers["notes"].space is not None, limit=20)
        os.mkfifo(two.root("home") / "pipe")
        two.plugins["home"].keepers["notes"].rescan()
        await wait_until(lambda: bool(two.space("home").problems), limit=20)
        ((status, detail, advice),) = await of(two, "home")
        assert status == "warning"
        assert detail.startswith("notes: 1 problem: pipe ")
        assert advice == "`clawmatrix sync status --workspace notes` lists all"


async def test_a_peer_that_was_stopped_is_named_with_the_command(two: Two) -> None:
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)
        known = two.nodes["home"].directory.get("office")
        assert known is not None
        key = known.record.sign_key_bytes()
        await two.sharing("home").stop("notes", "office", key, "sent wrong bytes")
        assert await of(two, "home") == [
            (
                "problem",
                "notes: office is stopped: sent wrong bytes",
                "once the reason is gone: `clawmatrix sync resume office --workspace notes`",
            )
        ]


async def test_a_peer_that_no_grant_lets_have_it_is_named(two: Two) -> None:
    async with two.running("home", "office", peers=["attic"]):
        await wait_until(lambda: two.plugins["home"].keepers["notes"].space is not None, limit=20)
        await wait_until(lambda: two.states("home") == {"attic": "not allowed"}, limit=20)
        ((status, detail, _),) = await of(two, "home")
        assert status == "warning"
        assert detail.startswith("notes: attic is not allowed: ")
        assert "`clawmatrix grants add attic --workspaces notes`" in detail


async def test_a_folder_that_another_node_has_is_refused(two: Two) -> None:
    two.root("home").mkdir()
    two.root("office").symlink_to(two.root("home"))
    async with two.both():
        await wait_until(
            lambda: any(one.keepers["notes"].state == "refused" for one in two.plugins.values()),
            limit=20,
        )
        (name,) = [n for n, one in two.plugins.items() if one.keepers["notes"].state == "refused"]
        ((status, detail, advice),) = await of(two, name)
        assert status == "problem"
        assert detail.startswith("notes: refused, ")
        assert advice.startswith("give it a folder of its own")


async def test_a_workspace_of_a_later_table_is_shared_when_the_node_starts_again(
    two: Two,
) -> None:
    async with two.running("home", "office"):
        config = read({"workspaces": {"new": {"path": str(two.root("home"))}}})
        found = await told(two.plugins["home"], config, two.nodes["home"])
        assert found == [("warning", "new: is not shared yet", "start the node again")]


def test_peers_that_are_all_nodes_are_warned_of(tmp_path: Path) -> None:
    for peers, count in (["*"], 1), (["office"], 0):
        warned = read(notes(tmp_path, peers=peers)).warnings_beside(lambda spec, kind: [])
        assert len(warned) == count
        for words in warned:
            assert words.startswith('knowledge.workspaces.notes.peers: "*" is whoever has the')
