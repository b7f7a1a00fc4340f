"""The page on simulation names what is simulated, and which planted bugs are caught."""

from __future__ import annotations

from tests.contract.simulation_doc import FILE, whole


def test_the_tables_are_what_the_simulation_does() -> None:
    assert FILE.read_text() == whole(), "run: python -m tests.contract.simulation_doc"
