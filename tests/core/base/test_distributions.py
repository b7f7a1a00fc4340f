"""Tests of what a distribution wants of another one."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.distributions import unmet

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("clawmatrix>=2", "clawmatrix>=2"),
        ("clawmatrix[mesh]<0.1", "clawmatrix<0.1"),
        ("Claw.Matrix==3; python_version > '3'", None),  # another distribution
        ("clawmatrix==3; python_version > '3'", "clawmatrix==3"),
        ("clawmatrix==3; python_version < '3'", None),
        ("clawmatrix==3; extra == 'later'", None),
        ("clawmatrix>=0.1", None),
        ("clawmatrix", None),
        ("clawmatrix>=!", None),
        ("clawmatrix-more>=2", None),
    ],
)
def test_what_this_version_is_not(tmp_path: Path, wanted: str, found: str | None) -> None:
    info = tmp_path / "own-1.dist-info"
    info.mkdir()
    head = "Metadata-Version: 2.4\nName: own\nVersion: 1\nProvides-Extra: later\n"
    (info / "METADATA").write_text(f"{head}Requires-Dist: {wanted}\n")
    dist = metadata.Distribution.at(info)
    assert unmet(dist, "clawmatrix", "0.1.0") == found
