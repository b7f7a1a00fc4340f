"""What depends on the event loop has a smoke test on trio in every run of the tests."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = [
    "acceptance",
    "core/base",
    "core/exchange",
    "core/kernel",
    "core/wire",
    "plugins/control",
    "plugins/mesh",
    "plugins/model_proxy/asking",
    "plugins/model_proxy/http",
    "plugins/model_proxy/serving",
    "plugins/relay",
]


@pytest.fixture(scope="module")
def on_trio() -> list[str]:
    """The ids of the tests that an ordinary run has on trio, as pytest collects them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "not slow"]
    ran = subprocess.run(
        [*command, *(f"tests/{folder}" for folder in FOLDERS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return [line for line in ran.stdout.splitlines() if "[trio" in line]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_smoke_test_on_both_loops(folder: str, on_trio: list[str]) -> None:
    assert [name for name in on_trio if name.startswith(f"tests/{folder}/")] != []


def test_the_acceptance_suite_runs_on_both_loops(root: Path, on_trio: list[str]) -> None:
    files = [path.name for path in (root / "tests" / "acceptance").glob("test_*.py")]
    assert len(files) >= 4
    there = {name.split("::")[0].rpartition("/")[2] for name in on_trio}
    assert [name for name in files if name not in there] == []
