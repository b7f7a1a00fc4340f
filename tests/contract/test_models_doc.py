"""The tables of models in the documentation are the code's."""

from __future__ import annotations

from tests.contract import conversion_doc
from tests.contract.models_doc import FILE, whole


def test_the_failover_table_is_what_the_code_says() -> None:
    assert FILE.read_text() == whole(), "run: python tests/contract/models_doc.py"


def test_the_tables_of_conversion_are_what_the_code_says() -> None:
    made = conversion_doc.whole()
    assert conversion_doc.FILE.read_text() == made, "run: python tests/contract/conversion_doc.py"
