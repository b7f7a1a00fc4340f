"""Nodes that share a folder, on real files, with the index in a process of its own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.knowledge.two import Two, files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_knowledge.api import Version

pytestmark = [pytest.mark.anyio]


@pytest.fixture
def two(node_factory: NodeFactory, tmp_path: Path) -> Two:
    return Two(node_factory, tmp_path)


async def test_a_folder_is_the_same_on_two_nodes(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    home.mkdir()
    for number in range(40):
        path = home / f"memory/{number % 4}/{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    large = bytes(range(256)) * 12_000
    (home / "large.bin").write_bytes(large)
    async with two.both():
        await wait_until(lambda: len(files(office)) == 41, limit=30)
        assert files(home) == files(office)
        with (office / "memory/1/1.md").open("a") as file:
            file.write("more\n")
        await wait_until(lambda: (home / "memory/1/1.md").read_text() == "1\nmore\n", limit=20)
        (home / "memory/2/2.md").unlink()
        await wait_until(lambda: not (office / "memory/2/2.md").exists(), limit=20)
        status = (await two.plugins["home"].methods().status({}))[0]
        assert status["state"] == "running"
        assert status["files"] == 40
        assert [peer["state"] for peer in status["peers"]] == ["open"]
    assert files(home) == files(office)
    assert (home / ".clawmatrix").stat().st_mode & 0o777 == 0o700


async def test_a_restart_makes_no_new_versions_and_takes_what_changed_meanwhile(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        (home / "a.md").write_text("1\n")
        (home / "b.md").write_text("1\n")
        await wait_until(lambda: len(files(office)) == 2, limit=20)
    (home / "a.md").write_text("2\n")
    (office / "b.md").unlink()
    async with two.both():
        await wait_until(lambda: files(home) == files(office) == {"a.md": b"2\n"}, limit=20)
        await wait_until(lambda: len(two.space("home").index.graph) == 4, limit=20)
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)
        assert len(two.space("home").index.graph) == 4


async def test_a_root_that_is_empty_after_it_was_not_waits_for_its_disk(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        for number in range(4):
            (home / f"{number}.md").write_text(f"{number}\n")
        await wait_until(lambda: len(files(office)) == 4, limit=20)
    home.rename(home.with_name("unmounted"))
    async with two.both():
        await wait_until(lambda: two.plugins["home"].keepers["notes"].state == "emptied", limit=20)
        assert len(files(office)) == 4
        assert files(home) == {}
        shutil.rmtree(home)
        home.with_name("unmounted").rename(home)
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)
        (office / "0.md").write_text("new\n")
        await wait_until(lambda: (home / "0.md").read_text() == "new\n", limit=20)


async def test_a_root_that_goes_and_comes_back_while_the_node_runs(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        for number in range(4):
            (home / f"{number}.md").write_text(f"{number}\n")
        await wait_until(lambda: len(files(office)) == 4, limit=20)
        keeper = two.plugins["home"].keepers["notes"]
        home.rename(home.with_name("away"))
        keeper.rescan()
        await wait_until(lambda: keeper.state == "waiting", limit=20)
        home.with_name("away").rename(home)
        await wait_until(lambda: keeper.state == "running", limit=20)
        (home / "new.md").write_text("x\n")
        await wait_until(lambda: len(files(office)) == 5, limit=20)


async def test_old_contents_that_come_back_are_no_edits_and_nothing_is_deleted(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        (home / "a.md").write_text("old\n")
        await wait_until(lambda: (office / "a.md").exists(), limit=20)
    shutil.copytree(home, home.with_name("image"))
    async with two.both():
        (home / "a.md").write_text("new\n")
        (home / "b.md").write_text("b\n")
        await wait_until(lambda: len(files(office)) == 2, limit=20)
        await wait_until(lambda: (office / "a.md").read_text() == "new\n", limit=20)
    shutil.rmtree(home)
    home.with_name("image").rename(home)
    async with two.both():
        wanted = {"a.md": b"new\n", "b.md": b"b\n"}
        await wait_until(lambda: files(home) == files(office) == wanted, limit=20)


async def test_state_of_a_workspace_is_for_its_user_alone(two: Two) -> None:
    async with two.running("home", "office"):
        (two.root("home") / "a.md").write_text("a\n")
        own = two.root("home") / ".clawmatrix"
        await wait_until((own / "knowledge.log").exists, limit=20)
        assert own.stat().st_mode & 0o777 == 0o700
        logs = {path.name: path.stat().st_mode & 0o777 for path in own.glob("*.log")}
        assert set(logs.values()) == {0o600}


async def test_two_nodes_on_one_folder_are_told_apart(two: Two) -> None:
    two.root("home").mkdir()
    two.root("office").symlink_to(two.root("home"))
    async with two.both():
        keepers = [plugin.keepers["notes"] for plugin in two.plugins.values()]
        await wait_until(lambda: any(one.state == "refused" for one in keepers), limit=20)
        await wait_until(lambda: any(one.state == "running" for one in keepers), limit=20)
        (second,) = [one for one in keepers if one.state == "refused"]
        first = "home" if two.plugins["office"].keepers["notes"] is second else "office"
        assert f"the node {first}" in second.why


async def test_what_people_say_reaches_the_workspace(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        await two.lose_many()
        methods = two.plugins["home"].methods()
        (told,) = await methods.status({})
        assert told["state"] == "halted"
        assert len(files(office)) > 30
        await methods.reject_deletes({"workspace": "notes"})
        await wait_until(lambda: len(files(home)) == 60 and files(home) == files(office), limit=20)
        (home / "1.md").write_text("bad\n")
        await wait_until(lambda: (office / "1.md").read_text() == "bad\n", limit=20)
        log = await two.plugins["office"].methods().log({"path": "1.md"})
        assert [entry["author"] for entry in log] == ["home", "home"]
        await two.plugins["office"].methods().restore({"path": "1.md"})
        await wait_until(lambda: (home / "1.md").read_text() == "1\n", limit=20)


async def test_a_peer_that_does_not_name_this_node_says_what_is_to_be_done(two: Two) -> None:
    async with two.running("home", "office"), two.running("office", "home", peers=["attic"]):
        sharing = two.sharing("home")
        words = "`peers` and `[grants]` of office have to let this node have it"
        await wait_until(lambda: [one.why for one in sharing.status("notes")] == [words], limit=20)


class Listener:
    plugin_name = "listener"
    extends = ("knowledge",)

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, list[str], list[str]]] = []

    @hookimpl
    async def knowledge_changed(
        self, workspace: str, paths: Sequence[str], versions: Sequence[Version], peer: str
    ) -> None:
        self.heard.append((workspace, peer, list(paths), [one.path for one in versions]))


async def test_hook_knowledge_changed(two: Two) -> None:
    listener = Listener()
    async with two.running("home", "office"):
        two.listeners.append(listener)
        async with two.running("office", "home"):
            (two.root("home") / "a.md").write_text("a\n")
            await wait_until(lambda: bool(listener.heard), limit=20)
            assert listener.heard == [("notes", "home", ["a.md"], ["a.md"])]
            assert (two.root("office") / "a.md").read_text() == "a\n"
            (told,) = await two.plugins["office"].methods().status({})
            last = told["last"]
            assert (last["peer"], last["files"], last["path"]) == ("home", 1, "a.md")
