"""Scenarios with disks that fill and go, on real mounts, in a namespace that nobody else sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ALONE = ["unshare", "-Urm"]
_ROOT = Path(__file__).parents[4]


def test_disks_that_fill_and_go(tmp_path: Path) -> None:
    try:
        tried = subprocess.run(
            [*_ALONE, "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("mounting in a namespace of one's own needs Linux and its unshare")
    if tried.returncode:
        pytest.skip("this system lets nobody mount in a namespace of one's own")
    command = [*_ALONE, sys.executable, "-m", "pytest", "-q", "-n", "0", "--basetemp"]
    done = subprocess.run(
        [*command, str(tmp_path / "inside"), str(Path(__file__).with_name("mounted.py"))],
        cwd=_ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "5 passed" in done.stdout
