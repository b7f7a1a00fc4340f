"""The file tools of a node, called from another one through a relay."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import Config, ConfigError, ConfigSection
from clawmatrix_core.testing.reaching import reload
from clawmatrix_tool_proxy.api import call_tool
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.file_service import roots_findings
from tests.plugins.tool_proxy.nodes import called, code_of, relayed

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


def table(tmp_path: Path, **more: object) -> dict[str, object]:
    (tmp_path / "code").mkdir(exist_ok=True)
    return {"roots": {"code": str(tmp_path / "code"), **more}}


@pytest.mark.both_loops
async def test_files_are_read_and_written_over_a_relay(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with relayed(node_factory, table=table(tmp_path)) as mesh:
        text = "a line\n" * 20_000
        found = await called(mesh, "write", path="code/./a", content=text)
        assert found.value == {"path": "code/a", "size": 140_000, "created": True}
        assert (tmp_path / "code" / "a").read_text() == text
        async with call_tool(mesh.home, "office", "read", {"path": "code/a"}) as call:
            output = b"".join([part async for part in call if isinstance(part, bytes)])
            result = await call.result()
        assert output.decode() == text
        assert (result.value["next"], result.cut.output) == (None, 0)
        assert await code_of(mesh, "read", path="code/none") == "not_found"
        assert mesh.served.told("end")[-1] == ("end", "read", "not_found")
        assert mesh.engine.asked[-1][3] == {
            "path": "code/none",
            "offset": None,
            "limit": None,
            "binary": False,
        }


async def test_the_policy_sees_the_path_that_runs(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    (tmp_path / "code" / "docs").mkdir(parents=True)
    (tmp_path / "code" / "docs" / "a").write_text("a")
    (tmp_path / "code" / "secret").write_text("a")
    (tmp_path / "code" / "docs" / "link").symlink_to("../secret")
    async with relayed(node_factory, table=table(tmp_path)) as mesh:
        mesh.engine.only = lambda arguments: str(arguments["path"]).startswith("code/docs/")
        for path in ("code/docs/a", "./code//docs/./a", "code/docs/a/"):
            assert (await code_of(mesh, "read", path=path)).startswith("no error")
        for path in ("code/secret", "code//secret", "code/./secret"):
            assert await code_of(mesh, "read", path=path) == "not_allowed"
        assert await code_of(mesh, "read", path="code/docs/../secret") == "bad_path"
        assert await code_of(mesh, "read", path="code/docs/link") == "is_link"


async def test_the_state_of_the_node_is_in_no_reach(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    built_in = ("mesh", "relay", "control")
    async with relayed(node_factory, table=table(tmp_path), built_in=built_in) as mesh:
        state = mesh.office.config.state_dir
        (state / "a").write_text("a")
        roots = {"code": str(tmp_path / "code"), "home": str(state.parent), "own": str(state)}
        await reload(mesh.office, {"tool-proxy": {"allow": ["*"], "roots": roots}})
        assert await code_of(mesh, "read", path=f"home/{state.name}/a") == "private"
        assert await code_of(mesh, "read", path="own/a") == "no_root"
        listed = (await called(mesh, "list", path="home")).value
        assert state.name not in str(listed)


async def test_a_reload_hides_the_file_of_another_secret(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with relayed(node_factory, table=table(tmp_path)) as mesh:
        file = tmp_path / "code" / "key"
        file.write_text(mesh.office.config.secret.reveal())
        file.chmod(0o600)
        assert (await code_of(mesh, "read", path="code/key")).startswith("no error")
        roots = table(tmp_path)
        await reload(
            mesh.office, {"secret": f"file:{file}", "tool-proxy": {"allow": ["*"], **roots}}
        )
        assert await code_of(mesh, "read", path="code/key") == "private"
        assert await code_of(mesh, "write", path="code/key", content="") == "private"


async def test_a_reload_brings_other_roots(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notes").mkdir()
    async with relayed(node_factory, table={}) as mesh:
        assert await code_of(mesh, "list") == "not_allowed", "without roots there are no tools"
        notes = {"path": str(tmp_path / "notes"), "write": False}
        roots = table(tmp_path, notes=notes, gone=str(tmp_path / "gone"))
        with caplog.at_level(logging.WARNING):
            await reload(mesh.office, {"tool-proxy": {"allow": ["*"], **roots}})
        assert f"the root gone cannot be used: {tmp_path}/gone: No such file" in caplog.text
        assert (await called(mesh, "list")).value["entries"] == [
            {"path": "code", "kind": "root", "write": True},
            {"path": "notes", "kind": "root", "write": False},
        ]
        assert await code_of(mesh, "write", path="notes/a", content="") == "read_only"
        assert await code_of(mesh, "read", path="gone/a") == "no_root"


def bound(roots: dict[str, object]) -> Config:
    config = Config.from_mapping(
        {"node_id": "office", "secret": "s" * 40, "tool-proxy": {"roots": roots}}
    )
    config.bind([ConfigSection("tool-proxy", ToolProxyConfig)])
    return config


async def test_the_doctor_looks_at_the_roots(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    good: dict[str, object] = {"code": str(tmp_path / "code")}
    [finding] = await roots_findings(bound(good))
    assert (finding.status, finding.detail) == ("ok", "the folders are there: code")
    [finding] = await roots_findings(bound({**good, "gone": str(tmp_path / "gone")}))
    assert finding.status == "warning"
    assert finding.detail == f"gone: {tmp_path}/gone: No such file or directory"
    assert await roots_findings(bound({})) == []


@pytest.mark.parametrize(
    ("roots", "words"),
    [
        ({"Code": "/tmp"}, "tool-proxy.roots: has a root 'Code': a name is small letters"),
        ({"a/b": "/tmp"}, "tool-proxy.roots: has a root 'a/b'"),
        ({"code": 5}, "tool-proxy.roots.code: expected a path or a table"),
        ({"code": ""}, "tool-proxy.roots.code: expected a path or a table"),
        ({"code": {"write": True}}, "tool-proxy.roots.code.path: is missing"),
        ({"code": {"path": "/tmp", "wirte": True}}, "tool-proxy.roots.code.wirte: unknown key"),
    ],
)
async def test_mistakes_in_roots_are_named(roots: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bound(roots)
    assert words in str(caught.value)
