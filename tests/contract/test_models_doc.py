"""The failover table in the documentation is the code's."""

from __future__ import annotations

from tests.contract.models_doc import FILE, whole


def test_the_failover_table_is_what_the_code_says() -> None:
    assert FILE.read_text() == whole(), "run: python tests/contract/models_doc.py"
