"""The tools ``exec`` and ``shell`` over the mesh."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.testing.acceptance.network import until
from clawmatrix_tool_proxy.api import ErrorOutput, call_tool
from tests.plugins.tool_proxy.nodes import Mesh, called, code_of, relayed

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

BIN = os.path.realpath("/bin")


def serving(
    node_factory: NodeFactory, root: Path, **table: object
) -> AbstractAsyncContextManager[Mesh]:
    """Run a mesh whose ``office`` runs commands in a root ``code``."""
    roots = {"code": str(root)}
    return relayed(node_factory, table={"roots": roots, "exec": table})


async def _ran(mesh: Mesh, tool: str, /, **arguments: JSON) -> tuple[bytes, bytes, JSON]:
    out, err = b"", b""
    async with call_tool(mesh.home, "office", tool, arguments) as call:
        async for part in call:
            if isinstance(part, ErrorOutput):
                err += part
            elif isinstance(part, bytes):
                out += part
        found = await call.result()
    return out, err, found.value


async def test_a_program_runs_and_tells_how_it_ended(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    async with serving(node_factory, tmp_path) as mesh:
        argv = ["sh", "-c", "pwd; echo bad >&2; cat; exit 3"]
        out, err, result = await _ran(mesh, "exec", argv=argv, cwd="code/src/", stdin="hello")
    assert (out.decode(), err) == (f"{tmp_path}/src\nhello", b"bad\n")
    assert result.pop("seconds") > 0
    assert result == {"exitStatus": 3, "stdout": len(out), "stderr": 4}


async def test_conditions_and_the_audit_see_what_runs(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with serving(node_factory, tmp_path, accept_env=["CI"]) as mesh:
        await called(mesh, "exec", argv=["true", "a b"])
        await called(mesh, "exec", argv=["/usr/../bin/env"], cwd="code/.", env={"CI": "1"})
        await called(mesh, "shell", command="echo $CI", timeout=9)
    asked = [one[3] for one in mesh.engine.asked if one[3] is not None]
    true, env = f"{BIN}/true", f"{BIN}/env"
    assert asked[::2] == [
        {"argv": [true, "a b"], "cwd": "code"},
        {"argv": [env], "cwd": "code", "env": {"CI": "1"}},
        {"command": "echo $CI", "cwd": "code", "timeout": 9.0},
    ]
    assert [one.arguments for one in mesh.served.records if one.event == "begin"] == asked[::2]


async def test_what_cannot_run_is_told(node_factory: NodeFactory, tmp_path: Path) -> None:
    async with serving(node_factory, tmp_path) as mesh:
        found = [
            await code_of(mesh, "exec", argv=["no-such-program"]),
            await code_of(mesh, "exec", argv=["true"], cwd="code/none"),
            await code_of(mesh, "exec", argv=["true"], cwd="other"),
            await code_of(mesh, "exec", argv=["true"], cwd="code/../x"),
            await code_of(mesh, "exec", argv=["true"], env={"LD_PRELOAD": "x"}),
            await code_of(mesh, "exec", argv=["./none"]),
            await code_of(mesh, "exec", argv=["true", "\0"]),
            await code_of(mesh, "exec", argv=[]),
        ]
    assert found == [
        "no_program",
        "not_found",
        "no_root",
        "bad_path",
        "bad_arguments",
        "not_started",
        "bad_arguments",
        "bad_arguments",
    ]


async def test_output_over_the_limit_is_cut_and_said(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    table = {"roots": {"code": str(tmp_path)}, "max_output": "64 KiB"}
    async with relayed(node_factory, table=table) as mesh:
        found = await called(mesh, "exec", argv=["head", "-c", "1000000", "/dev/zero"])
    assert found.cut.output == 1_000_000 - 64 * 1024
    assert found.value["stdout"] == 1_000_000


async def test_a_signal_and_a_limit_of_time_are_told(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with serving(node_factory, tmp_path) as mesh:
        _, _, segv = await _ran(mesh, "shell", command="kill -SEGV $$")
        _, _, late = await _ran(mesh, "shell", command="sleep 100", timeout=0.3)
    assert (segv["exitStatus"], segv["signal"]) == (139, "SIGSEGV")
    assert (late["exitStatus"], late["killed"]) == (137, "timeout")


async def test_a_caller_that_leaves_stops_its_command(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with serving(node_factory, tmp_path) as mesh:
        command = "(setsid sh -c 'echo $$ > pid; exec sleep 1000' &); sleep 999"
        async with call_tool(mesh.home, "office", "shell", {"command": command}):
            await until(lambda: _alive(tmp_path), "the command")
        with anyio.fail_after(1):
            await until(lambda: not _alive(tmp_path), "the end of the command")


async def test_no_command_is_offered_where_a_part_is_missing(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with relayed(node_factory, table={"roots": {}}) as mesh:
        assert await code_of(mesh, "exec", argv=["true"]) == "not_allowed"


def _alive(root: Path) -> bool:
    with suppress(OSError, ValueError):
        pid = int((root / "pid").read_text())
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
