"""Real mounts inside a workspace, in a user's own namespace: full ones, and ones that go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_knowledge.files.real import RealFiles
from clawmatrix_knowledge.files.scanning import Seen, scan
from clawmatrix_knowledge.files.tree import Tree
from clawmatrix_knowledge.versions import VersionId

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.scanning import Scan

pytestmark = [pytest.mark.anyio]
_ALONE = ["unshare", "-Urm"]


@pytest.mark.parametrize("case", ["full", "bound", "goes"])
async def test_mounts_inside_a_workspace(tmp_path: Path, case: str) -> None:
    tried = await anyio.run_process([*_ALONE, "mount", "-t", "tmpfs", "x", "/mnt"], check=False)
    if tried.returncode:
        pytest.skip("no namespaces here")
    program = f"from {__name__} import main; main()"
    command = [*_ALONE, sys.executable, "-c", program, case, str(tmp_path)]
    done = await anyio.run_process(command, check=False, cwd=Path(__file__).parents[4])
    assert done.stdout.decode() == "fine\n", done.stderr.decode()


def main() -> None:
    """Run one case, in a namespace where mounts are seen by nobody else."""
    root = Path(sys.argv[2]) / "root"
    (root / "disk").mkdir(parents=True)
    cases = {"full": _full, "bound": _bound, "goes": _goes}
    anyio.run(cases[sys.argv[1]], root)
    print("fine")


async def _full(root: Path) -> None:
    """A disk that is full is told, leaves nothing half, and is written once there is room."""
    await _mount("-t", "tmpfs", "-o", "size=1m", "x", str(root / "disk"))
    tree = await Tree.open(RealFiles(root))
    assert (await tree.put("disk/a.md", b"old", None)).done
    stat = await tree.stat("disk/a.md")
    for path, expected in (("disk/a.md", stat), ("disk/b.md", None)):
        put = await tree.put(path, b"x" * 2_000_000, expected)
        assert put.problem is not None
        assert put.problem.kind == "full", put
    found = await scan(tree, {})
    assert {path: one.stat.size for path, one in found.changed.items()} == {"disk/a.md": 3}
    assert found.strays == []
    put = await tree.put("disk/a.md", b"new", stat)
    assert put.done
    assert put.aside is not None


async def _bound(root: Path) -> None:
    """A folder of the same disk that is mounted elsewhere has the same device, and is another."""
    other = root.parent / "other"
    await anyio.Path(other).mkdir()
    await _mount("--bind", str(other), str(root / "disk"))
    tree = await Tree.open(RealFiles(root))
    assert (await tree.put("disk/a.md", b"old", None)).done
    put = await tree.put("disk/a.md", b"new", await tree.stat("disk/a.md"))
    assert put.done
    assert put.stat is not None
    removed = await tree.remove("disk/a.md", put.stat)
    assert removed.done
    for one in (put, removed):
        assert one.aside is not None
        await tree.discard(one.aside)
    assert [path async for path in anyio.Path(other).iterdir()] == []


async def _goes(root: Path) -> None:
    """What was on a disk that went is not gone, and is there again when the disk is."""
    disk = root / "disk"
    await _mount("-t", "tmpfs", "x", str(disk))
    tree = await Tree.open(RealFiles(root))
    await tree.put("disk/a.md", b"x", None)
    first = await scan(tree, {})
    known = _learned(first)
    moved = root.parent / "moved"
    await anyio.Path(moved).mkdir()
    await anyio.run_process(["mount", "--move", str(disk), str(moved)])
    for mounts in (first.mounts, dict.fromkeys(first.mounts, 0)):
        found = await scan(tree, known, mounts=mounts)
        assert (found.gone, set(found.unread)) == ([], {"disk/a.md"})
        assert [problem.kind for problem in found.problems] == ["mount"]
    await anyio.run_process(["mount", "--move", str(moved), str(disk)])
    found = await scan(tree, known, mounts=found.mounts)
    assert (found.gone, found.problems, dict(found.changed)) == ([], [], {})


def _learned(found: Scan) -> dict[str, Seen]:
    return {
        path: Seen(VersionId(path), one.content, one.stat) for path, one in found.changed.items()
    }


async def _mount(*words: str) -> None:
    await anyio.run_process(["mount", *words])
