"""``clawmatrix sync``, as people type it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from automerge.core import ROOT, Document

from clawmatrix_core.testing.command_line import run_command
from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.knowledge.two import Two, files

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


async def test_people_see_and_steer_a_workspace(node_factory: NodeFactory, tmp_path: Path) -> None:
    two = Two(node_factory, tmp_path)
    home, office = two.root("home"), two.root("office")

    async def typed(*words: str) -> str:
        done = await run_command(two.nodes["home"], "sync", *words)
        assert done.exit_code == 0, done.err
        return str(done.out)

    async with two.both():
        (home / "a.md").write_text("good\n")
        (home / "pic.png").write_bytes(b"\0")
        await wait_until(lambda: len(files(office)) == 2, limit=20)
        (office / "a.md").write_text("bad\n")
        await wait_until(lambda: (home / "a.md").read_text() == "bad\n", limit=20)
        told = await typed("status")
        assert f"notes  running  {home}" in told
        assert "    2 files, 3 versions" in told
        assert "    office: open" in told
        log = json.loads(await typed("log", "a.md", "--json"))
        assert [one["author"] for one in log] in (["office", "home"], ["home", "office"])
        assert "office" in await typed("log", "a.md")
        await typed("restore", "a.md")
        await wait_until(lambda: (office / "a.md").read_text() == "good\n", limit=20)
        assert await typed("conflicts") == ""
        await typed("pause")
        assert "notes  paused" in await typed("status")
        (home / "pic.png").write_bytes(b"\0home")
        (office / "pic.png").write_bytes(b"\0office")
        office_space = two.space("office")
        await wait_until(lambda: len(office_space.index.graph) == 5, limit=20)
        await typed("resume")
        await typed("rescan")
        await wait_until(lambda: len(files(home)) == 3 and files(home) == files(office), limit=20)
        assert ".conflict-" in await typed("conflicts")
        (home / "a.md").unlink()
        await typed("rescan")
        await wait_until(lambda: not (office / "a.md").exists(), limit=20)
        assert "a.md" in await typed("deleted")
        await typed("restore", "a.md")
        await wait_until(lambda: (office / "a.md").exists(), limit=20)
        await typed("export", str(tmp_path / "document"))
        document = Document.load((tmp_path / "document").read_bytes())
        found = document.get(ROOT, "files")
        assert found is not None
        assert len(document.keys(found[1])) == len(office_space.index.graph)
        none = await run_command(two.nodes["home"], "sync", "restore", "none.md")
        assert none.exit_code != 0
        assert "none.md has no such version" in none.err
        wrong = await run_command(two.nodes["home"], "sync", "status", "-w", "other")
        assert "name a workspace of this node: notes" in wrong.err
