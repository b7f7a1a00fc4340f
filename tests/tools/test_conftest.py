"""The fixtures of all tests choose event loops, and the end of a run names what was run again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

ON_LOOPS = """
import pytest


def test_pure():
    pass


@pytest.mark.anyio
async def test_on_one():
    pass


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_on_both():
    pass


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_of_its_own_loop(anyio_backend):
    pass
"""

SOMETIMES = """
from pathlib import Path


def test_sometimes():
    file = Path(__file__).with_suffix(".ran")
    if not file.exists():
        file.touch()
        raise LookupError("the first time")


def test_always():
    pass
"""


def run(folder: Path, text: str, *arguments: str) -> str:
    """Run tests beside a copy of our fixtures; return what pytest said."""
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--rootdir", "."]
    ran = subprocess.run(
        [*command, "-W", "ignore::pytest.PytestUnknownMarkWarning", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


PURE, OWN = "test_pure", "test_of_its_own_loop[trio]"
ONE, BOTH = "test_on_one", "test_on_both"


@pytest.mark.parametrize(
    ("loops", "expected"),
    [
        ((), {PURE, OWN, f"{ONE}[asyncio]", f"{BOTH}[asyncio]", f"{BOTH}[trio]"}),
        (("--loops", "trio"), {f"{ONE}[trio]", f"{BOTH}[trio]"}),
        (
            ("--loops", "both"),
            {PURE, OWN, *(f"{one}[{on}]" for one in (ONE, BOTH) for on in ("asyncio", "trio"))},
        ),
    ],
)
def test_loops_are_chosen(loops: tuple[str, ...], expected: set[str], tmp_path: Path) -> None:
    said = run(tmp_path, ON_LOOPS, "--reruns", "1", *loops)
    assert "RUN AGAIN" not in said
    lines = [line.partition("::")[2] for line in said.splitlines() if line.startswith("PASSED ")]
    assert sorted(lines) == sorted(expected)


def test_the_end_names_what_was_run_again_and_why(tmp_path: Path) -> None:
    said = run(tmp_path, SOMETIMES, "--reruns", "1")
    end = said.partition("= RUN AGAIN: 1 =")[2]
    assert "LookupError: the first time" in end
    assert "\nrun again: test_it.py::test_sometimes\n" in end
    assert "test_always" not in end
