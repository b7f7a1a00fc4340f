"""What depends on the event loop has a smoke test on trio in every run of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MARK = "pytest.mark.both_loops"


@pytest.mark.parametrize(
    "folder",
    [
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
    ],
)
def test_a_folder_has_a_smoke_test_on_both_loops(folder: str, root: Path) -> None:
    files = (root / "tests" / folder).rglob("test_*.py")
    assert [file.name for file in files if MARK in file.read_text()] != []


def test_the_acceptance_suite_runs_on_both_loops(root: Path) -> None:
    files = list((root / "tests" / "acceptance").glob("test_*.py"))
    assert len(files) >= 4
    assert [file.name for file in files if MARK not in file.read_text()] == []
