"""The tables of models in the documentation are the code's."""

from __future__ import annotations

from clawmatrix_model_proxy import api
from tests.contract import conversion_doc
from tests.contract.models_doc import FILE, whole


def test_the_failover_table_is_what_the_code_says() -> None:
    assert FILE.read_text() == whole(), "run: python tests/contract/models_doc.py"


def test_the_table_of_settings_for_codecs_is_what_the_code_says() -> None:
    made = conversion_doc.whole_apis()
    file = conversion_doc.APIS_FILE
    assert file.read_text() == made, "run: python tests/contract/conversion_doc.py"


def test_every_name_of_the_contract_is_on_its_page() -> None:
    page = conversion_doc.APIS_FILE.read_text()
    own = set(api.__all__) - {"ModelUpstream", "Event", "Part", "Role", "BlockKind", "FinishReason"}
    own -= {"anthropic_error", "openai_error"}  # of routes, not of an API
    assert [name for name in sorted(own) if name not in page] == []


def test_the_tables_of_conversion_are_what_the_code_says() -> None:
    made = conversion_doc.whole()
    assert conversion_doc.FILE.read_text() == made, "run: python tests/contract/conversion_doc.py"
