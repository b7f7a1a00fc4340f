"""The recipes of the pages on shared folders help, and their tables say what the code does."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from clawmatrix_core.testing.command_line import run_command
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.told import ToldConfig
from clawmatrix_knowledge.commands.sync import sync
from clawmatrix_knowledge.config import KnowledgeConfig, WorkspaceConfig
from clawmatrix_knowledge.merging.classes import MergeClasses
from clawmatrix_knowledge.merging.ignores import Ignores
from clawmatrix_knowledge.merging.lines import merge_texts
from clawmatrix_knowledge.plugin import KnowledgePlugin
from tests.plugins.knowledge.two import Two, files

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_knowledge.versions import MergeClass

pytestmark = [pytest.mark.anyio]

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "knowledge.md").read_text()
OPENCLAW = (DOCS / "openclaw-workspace.md").read_text()


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def two(node_factory: NodeFactory, tmp_path: Path) -> Two:
    return Two(node_factory, tmp_path)


def part(page: str, name: str) -> str:
    [found] = re.findall(rf"<!-- start {name} -->\n```\w*\n(.*?)```", page, re.DOTALL)
    return str(found)


async def follow(node: Node, name: str) -> list[str]:
    """Type the commands of a recipe that are those of the program; return what each prints."""
    lines = [line.removeprefix("$ ") for line in part(PAGE, name).splitlines()]
    told: list[str] = []
    for line in lines:
        program, *words = shlex.split(line)
        if program == "clawmatrix":
            done = await run_command(node, *words)
            assert done.exit_code == 0, done.err
            told.append(str(done.out))
    assert told
    return told


async def test_an_agents_edit_is_undone(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        (home / "plan.md").write_text("good\n")
        await wait_until(lambda: files(office) == {"plan.md": b"good\n"}, limit=20)
        (office / "plan.md").write_text("spoilt\n")
        await wait_until(lambda: (home / "plan.md").read_text() == "spoilt\n", limit=20)
        log, _ = await follow(two.nodes["home"], "undo")
        assert [line.split()[3] for line in log.splitlines()].count("office") == 1
        await wait_until(lambda: files(home) == files(office) == {"plan.md": b"good\n"}, limit=20)


async def test_deletions_that_were_not_meant_are_rejected(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        for number in range(40):
            (home / f"{number}.md").write_text(f"{number}\n")
        await wait_until(lambda: len(files(office)) == 40, limit=20)
        for number in range(39):
            (home / f"{number}.md").unlink()
        two.plugins["home"].keepers["notes"].rescan()
        await wait_until(lambda: two.space("home").halt is not None, limit=20)
        status, _ = await follow(two.nodes["home"], "halted")
        assert "halted" in status
        assert "files are gone here" in status
        await wait_until(lambda: len(files(home)) == 40 and files(home) == files(office), limit=20)


async def test_a_lost_disk_is_filled_again(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        (home / "a.md").write_text("a\n")
        await wait_until(lambda: files(office) == {"a.md": b"a\n"}, limit=20)
    shutil.rmtree(home)
    async with two.both():
        keeper = two.plugins["home"].keepers["notes"]
        await wait_until(lambda: keeper.state == "emptied", limit=20)
        assert "put a file there" in keeper.why
        (home / "BEGIN.md").write_text("This folder begins anew.\n")
        await wait_until(lambda: len(files(home)) == 2 and files(home) == files(office), limit=20)
        (status,) = await follow(two.nodes["home"], "lost")
        assert "running" in status


async def test_a_new_machine_gets_all_and_a_copied_folder_wins_nothing(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    home.mkdir()
    (home / "a.md").write_text("a\n")
    (home / "b.md").write_text("b\n")
    async with two.running("home", "office"):
        keeper = two.plugins["home"].keepers["notes"]
        await wait_until(lambda: keeper.state == "running", limit=20)
        await wait_until(lambda: len(two.space("home").local) == 2, limit=20)
    shutil.copytree(home, office)
    (office / "b.md").unlink()
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)
        await wait_until(lambda: len(files(office)) == 2 and files(home) == files(office), limit=20)
        assert len(two.space("office").index.graph) == 2


async def test_a_peer_that_was_stopped_is_resumed(two: Two) -> None:
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)
        sharing = two.sharing("home")
        known = two.nodes["home"].directory.get("office")
        assert known is not None
        key = known.record.sign_key_bytes()
        await sharing.stop("notes", "office", key, "sent wrong bytes")
        assert two.states("home") == {"office": "stopped"}
        await follow(two.nodes["home"], "stopped")
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)


async def test_an_index_that_has_grown_begins_anew(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        for number in range(5):
            (home / "a.md").write_text(f"{number}\n")
            await wait_until(lambda: files(office) == files(home), limit=20)
        (home / "gone.md").write_text("x\n")
        await wait_until(lambda: files(office) == files(home), limit=20)
        (home / "gone.md").unlink()
        await wait_until(lambda: len(files(office)) == 1, limit=20)
        grown = len(two.space("home").index.graph)
    for root in (home, office):
        (root / ".clawmatrix").rename(root.with_name(f"{root.name}-old"))
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=20)
        await wait_until(lambda: len(two.space("office").index.graph) > 0, limit=20)
        assert files(home) == files(office) == {"a.md": b"4\n"}
        assert len(two.space("home").index.graph) < grown


@pytest.mark.parametrize("how", ["union", "lines", "strict"])
def test_the_table_of_merges(how: MergeClass) -> None:
    [row] = re.findall(rf"(?m)^\| `{how}` \| .*$", PAGE)
    *_, added, changed, deleted = (cell.strip() for cell in row.strip("|").split("|"))
    kept = {"both lines stay": 2, "the changed line stays": 1}
    for told, base, one, other in (
        (added, b"a\n", b"a\none\n", b"a\nother\n"),
        (changed, b"a\nb\nc\n", b"a\none\nc\n", b"a\nother\nc\n"),
        (deleted, b"a\nb\nc\n", b"a\none\nc\n", b"a\nc\n"),
    ):
        merged = merge_texts(base, one, other, how)
        if told == "conflict copy":
            assert merged is None
        else:
            assert merged is not None
            assert len({b"one", b"other"} & set(merged.split(b"\n"))) == kept[told]


def test_the_table_of_merges_names_the_files() -> None:
    for name, how in (
        ("MEMORY.md", "union"),
        ("memory/2027-01-31.md", "union"),
        ("a.log", "union"),
        ("a.md", "lines"),
        ("a.tex", "lines"),
        ("a.py", "strict"),
    ):
        assert MergeClasses().of(name, text=True) == how
    assert MergeClasses().of("a.md", text=False) == "binary"


def test_every_key_is_in_a_table() -> None:
    keys = set(re.findall(r"(?m)^\| `(\w+)`(?:, `\w+`, `\w+`)? \| ", PAGE.split("### Modes")[0]))
    keys |= {"lines", "strict"}
    fields = {*attrs.fields_dict(KnowledgeConfig), *attrs.fields_dict(WorkspaceConfig)}
    assert keys == fields - {"workspaces"}


def test_every_command_is_in_the_table() -> None:
    commands = PAGE.split("## Commands")[1].split("## ")[0]
    assert set(re.findall(r"`([a-z-]+)(?: [^`]*)?`", commands)) >= set(sync.commands)


@pytest.mark.parametrize(
    ("page", "name"),
    [(PAGE, "office.toml"), (PAGE, "home.toml"), (OPENCLAW, "openclaw.toml")],
)
def test_the_configurations_are_valid(page: str, name: str) -> None:
    told = {"node_id": "home", "secret": "0123456789" * 4} | tomllib.loads(part(page, name))
    config = ToldConfig.from_mapping(told)
    config.bind(KnowledgePlugin().register_config())
    (workspace,) = config.section(KnowledgeConfig).workspaces.values()
    assert workspace.peers


def test_the_starter_leaves_out_what_instructs_the_agent() -> None:
    ignores = Ignores({((), ".clawignore"): part(OPENCLAW, "starter.clawignore")})
    for name, told in re.findall(r"(?m)^\| (`.*?) \|.*\| (yes|no)", OPENCLAW):
        for path in re.findall(r"`([^`]+)`", name):
            folder = path.endswith("/")
            names = path.rstrip("/").split("/")
            assert ignores.ignored(names, folder=folder) == (told == "no"), path
    assert not ignores.ignored(("memory", "AGENTS.md"), folder=False)


def test_one_skill_is_let_in_as_the_page_says() -> None:
    starter = part(OPENCLAW, "starter.clawignore").replace(
        "/skills/\n", "/skills/*\n!/skills/web/\n"
    )
    ignores = Ignores({((), ".clawignore"): starter})
    assert not ignores.ignored(("skills", "web", "SKILL.md"), folder=False)
    assert ignores.ignored(("skills", "mail", "SKILL.md"), folder=False)
