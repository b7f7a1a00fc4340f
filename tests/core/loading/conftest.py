"""Distributions to load plugins from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.loading.installer import Installer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    monkeypatch.syspath_prepend(tmp_path)
    return Installer(tmp_path)
