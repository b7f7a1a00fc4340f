"""The configuration reference says what the code reads."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.registry import PluginRegistry
from tests.contract.configuration_doc import FILE, whole

if TYPE_CHECKING:
    import pytest


def test_the_reference_is_what_the_code_reads() -> None:
    assert FILE.read_text() == whole(), "run: python tests/contract/configuration_doc.py"


def test_the_example_passes_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWMATRIX_SECRET", "s" * 64)
    example = FILE.read_text().split("```toml\n")[1].split("```")[0]
    config = Config.from_mapping(tomllib.loads(example))
    registry = PluginRegistry()
    registry.load()
    config.bind(registry.config_sections())
    assert config.node_id == "office"
