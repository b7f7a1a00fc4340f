"""What depends on the event loop has a smoke test on trio in every run of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
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
def on_trio(everyday: Callable[[Collection[str]], list[str]]) -> list[str]:
    """The ids of the tests that an ordinary run has on trio."""
    found = everyday([f"tests/{folder}" for folder in FOLDERS])
    return [name for name in found if "[trio" in name]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_smoke_test_on_both_loops(folder: str, on_trio: list[str]) -> None:
    assert [name for name in on_trio if name.startswith(f"tests/{folder}/")] != []


def test_the_acceptance_suite_runs_on_both_loops(root: Path, on_trio: list[str]) -> None:
    files = [path.name for path in (root / "tests" / "acceptance").glob("test_*.py")]
    assert len(files) >= 4
    there = {name.split("::")[0].rpartition("/")[2] for name in on_trio}
    assert [name for name in files if name not in there] == []
