"""What is uploaded: an archive of the source that builds, and a wheel that has all of it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("plugins/*/py.typed"))


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the archive of the source, and unpack it as somebody does who has no repository."""
    folder = tmp_path_factory.mktemp("source")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", folder, ROOT, cwd=folder)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        # Early releases of Python 3.11 know no filters.
        filters: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        opened.extractall(folder, **filters)
    [unpacked] = folder.glob("clawmatrix-*/")
    return unpacked


def test_make_finds_all_it_needs_in_the_archive_of_the_source(source: Path) -> None:
    run("make", "-n", "demo", "lint", cwd=source)


def test_the_wheel_has_every_module_and_its_types(source: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", source, cwd=source)
    [wheel] = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    for package in ("clawmatrix_core", *(f"plugins/{name}" for name in PACKAGES)):
        for path in (ROOT / package).rglob("*.py"):
            assert path.relative_to((ROOT / package).parent).as_posix() in names
        assert f"{Path(package).name}/py.typed" in names
    templates = sorted((ROOT / "clawmatrix_core" / "kit" / "template").rglob("*.txt"))
    assert [str(one) for one in templates if one.relative_to(ROOT).as_posix() not in names] == []
    assert len(templates) == 9
