"""Tools that read workspaces of another node, called over the mesh."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import (
    MemoryState,
    Verdict,
    hookimpl,
)
from clawmatrix_core.members.identity import load_identity
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_grants.plugin import GrantsPlugin
from clawmatrix_knowledge import tools
from clawmatrix_knowledge.plugin import KnowledgePlugin
from clawmatrix_tool_proxy.api import ToolFailed, call_tool
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core import Node
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


class Allowing:
    """Allows all tools, and the workspaces in ``workspaces``, for ``most`` questions."""

    plugin_name = "allowing"

    def __init__(self, *workspaces: str) -> None:
        self.workspaces = set(workspaces)
        self.most: int | None = None
        self.asked = 0

    @hookimpl
    async def authorize(self, action: str, target: str) -> Verdict:
        if action == "workspace":
            self.asked += 1
            if self.most is not None and self.asked > self.most:
                return Verdict("deny", "the grant was taken back")
        allowed = action == "tool" or (action == "workspace" and target in self.workspaces)
        return Verdict("allow" if allowed else "deny", "the test")


@asynccontextmanager
async def caller(
    factory: NodeFactory,
    folder: Path,
    allow: tuple[str, ...] = ("knowledge_*",),
    policy: object = None,
    grants: dict[str, Any] | None = None,
    identity: Identity | None = None,
) -> AsyncIterator[Node]:
    """Run a node with the workspaces notes and secret, and give one that may have notes."""
    for name in ("notes", "secret"):
        (folder / name / "memory").mkdir(parents=True)
        (folder / name / "memory/a.md").write_text(f"one\nThe word of {name}\nthree\n")
    (folder / "notes/.gitignore").write_text("hidden.md\n")
    (folder / "notes/hidden.md").write_text("The word\n")
    (folder / "notes/picture.png").write_bytes(b"word\0\1")
    (folder / "notes/link.md").symlink_to(folder / "secret/memory/a.md")
    knowledge = KnowledgePlugin()
    tables = {name: {"path": str(folder / name)} for name in ("notes", "secret")}
    config: dict[str, Any] = {
        "tool-proxy": {"allow": list(allow)},
        "knowledge": {"workspaces": tables},
    }
    if grants is not None:
        config["grants"] = grants
    rules = policy or Allowing("notes", "nowhere")
    plugins = [ToolProxyPlugin(), knowledge, rules, Notebook()]
    office = factory("office", plugins=plugins, config=config)
    own, keys = [ToolProxyPlugin(), Notebook()], identity or load_identity(MemoryState())
    home = factory("home", dials=["office"], plugins=own, identity=keys)
    async with office, home:
        await wait_until(lambda: home.reachable("office"), limit=20)
        spaces = knowledge.keepers.values()
        await wait_until(
            lambda: all(one.space and "memory/a.md" in one.space.seen for one in spaces), limit=20
        )
        yield home


async def ask(home: Node, tool: str, **arguments: Any) -> Any:
    async with call_tool(home, "office", tool, arguments) as call:
        return (await call.result()).value


async def refused(home: Node, tool: str, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ToolFailed) as failed:
        await ask(home, tool, **arguments)
    return failed.value.code, str(failed.value)


async def test_files_are_listed_read_and_searched(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with caller(node_factory, tmp_path) as home:
        listed = await ask(home, "knowledge_list", workspace="notes")
        paths = [one["path"] for one in listed["files"]]
        assert paths == [".gitignore", "memory/a.md", "picture.png"]
        read = await ask(home, "knowledge_read", workspace="notes", path="memory/a.md", offset=4)
        assert (read["text"], read["line"]) == ("The word of notes\nthree\n", 2)
        assert not read["more"]
        short = await ask(home, "knowledge_read", workspace="notes", path="memory/a.md", limit=3)
        assert (short["text"], short["more"]) == ("one", True)
        picture = await ask(home, "knowledge_read", workspace="notes", path="picture.png")
        assert picture["binary"]
        assert "text" not in picture
        found = (await ask(home, "knowledge_search", text="the WORD"))["found"]
        assert [(one["path"], one["line"], one["text"]) for one in found] == [
            ("memory/a.md", 2, "The word of notes")
        ]
        assert found[0]["version"] == read["version"]
        assert found[0]["mtime"] == read["mtime"] > 0


async def test_a_workspace_that_is_not_granted_is_as_if_it_were_not_there(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with caller(node_factory, tmp_path) as home:
        assert await ask(home, "knowledge_list") == {"workspaces": ["notes"]}
        for tool, more in (
            ("knowledge_list", {}),
            ("knowledge_read", {"path": "memory/a.md"}),
            ("knowledge_search", {"text": "word"}),
        ):
            told = {
                await refused(home, tool, workspace=name, **more)
                for name in ("secret", "none", "nowhere", "../notes")
            }
            assert told == {("not_found", "there is no such workspace")}
        assert (await ask(home, "knowledge_search", text="secret"))["found"] == []


@pytest.mark.parametrize("path", ["hidden.md", "link.md", "../secret/memory/a.md", "/etc/passwd"])
async def test_what_does_not_sync_is_not_read(
    node_factory: NodeFactory, tmp_path: Path, path: str
) -> None:
    async with caller(node_factory, tmp_path) as home:
        told = await refused(home, "knowledge_read", workspace="notes", path=path)
        assert told == ("not_found", "there is no such file")


async def test_the_tools_are_nobodys_until_they_are_exposed(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with caller(node_factory, tmp_path, allow=()) as home:
        assert (await refused(home, "knowledge_list"))[0] == "not_allowed"


@pytest.mark.parametrize("granted", [True, False])
async def test_the_grants_let_a_node_have_a_workspace(
    node_factory: NodeFactory, tmp_path: Path, *, granted: bool
) -> None:
    identity = load_identity(MemoryState())
    names = ["notes"] if granted else []
    grant = {"key": identity.key_text, "tools": ["knowledge_*"], "workspaces": names}
    grants = {"home": grant}
    async with caller(
        node_factory, tmp_path, policy=GrantsPlugin(), grants=grants, identity=identity
    ) as home:
        named = await ask(home, "knowledge_list")
        assert named == {"workspaces": ["notes"] if granted else []}
        for tool, more in (
            ("knowledge_list", {}),
            ("knowledge_read", {"path": "memory/a.md"}),
            ("knowledge_search", {"text": "word"}),
        ):
            none = await refused(home, tool, workspace="none", **more)
            assert none == ("not_found", "there is no such workspace")
            if granted:
                assert await ask(home, tool, workspace="notes", **more)
            else:
                assert await refused(home, tool, workspace="notes", **more) == none


@pytest.mark.bound("clawmatrix_knowledge.tools.READ")
@pytest.mark.bound("clawmatrix_knowledge.tools.SEARCHED")
@pytest.mark.bound("clawmatrix_knowledge.tools.FOUND")
@pytest.mark.bound("clawmatrix_knowledge.tools.LINE")
async def test_long_files_and_lines_are_cut_and_large_ones_left_out(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    (tmp_path / "notes/big").mkdir(parents=True)
    large = b"needle\n" + b"x" * tools.SEARCHED
    (tmp_path / "notes/big/large.md").write_bytes(large)
    (tmp_path / "notes/big/picture").write_bytes(b"needle\0")
    (tmp_path / "notes/big/many.md").write_text("hay\n" * (tools.FOUND + 1))
    (tmp_path / "notes/big/line.md").write_text("straw" + "x" * tools.LINE)
    async with caller(node_factory, tmp_path) as home:
        read = await ask(
            home, "knowledge_read", workspace="notes", path="big/large.md", limit=tools.READ + 1
        )
        assert (len(read["text"]), read["more"]) == (tools.READ, True)
        needle = await ask(home, "knowledge_search", text="needle")
        assert needle == {"found": [], "notRead": 1, "more": False}
        hay = await ask(home, "knowledge_search", text="hay")
        assert (len(hay["found"]), hay["more"]) == (tools.FOUND, True)
        straw = await ask(home, "knowledge_search", text="straw")
        assert [len(one["text"]) for one in straw["found"]] == [tools.LINE]


@pytest.mark.bound("clawmatrix_knowledge.tools.LISTED")
async def test_a_long_list_comes_in_parts(node_factory: NodeFactory, tmp_path: Path) -> None:
    (tmp_path / "notes/many").mkdir(parents=True)
    for number in range(tools.LISTED + 1):
        (tmp_path / f"notes/many/{number:05}").touch()
    async with caller(node_factory, tmp_path) as home:
        asked = {"workspace": "notes", "folder": "many"}
        first = await ask(home, "knowledge_list", **asked)
        assert (len(first["files"]), first["more"]) == (tools.LISTED, True)
        rest = await ask(home, "knowledge_list", **asked, offset=int(tools.LISTED))
        assert [one["path"] for one in rest["files"]] == [f"many/{tools.LISTED:05}"]
        assert not rest["more"]


async def test_a_file_that_is_ignored_now_is_not_read(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with caller(node_factory, tmp_path) as home:
        path = {"workspace": "notes", "path": "memory/a.md"}
        assert (await ask(home, "knowledge_read", **path))["text"]
        (tmp_path / "notes/.gitignore").write_text("hidden.md\nmemory/\n")

        async def is_left_out() -> bool:
            listed = await ask(home, "knowledge_list", workspace="notes", folder="memory")
            return bool(listed["total"] == 0)

        with anyio.fail_after(20):
            while not await is_left_out():
                pass
        assert (await refused(home, "knowledge_read", **path))[0] == "not_found"
        assert (await ask(home, "knowledge_search", text="word"))["found"] == []


async def test_a_search_ends_when_the_grant_is_taken_back(
    node_factory: NodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "AGAIN", 0.0)
    policy = Allowing("notes")
    async with caller(node_factory, tmp_path, policy=policy) as home:
        policy.asked, policy.most = 0, 3
        told = await ask(home, "knowledge_search", text="word", workspace="notes")
        assert told["found"] == []
        assert policy.asked == 5  # at the start, before each of three files, and at the end
