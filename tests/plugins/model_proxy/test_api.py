"""What other plugins import of the model proxy loads nothing that serves."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from clawmatrix_model_proxy import api

HEAVY = {"httptools", "starlette", "uvicorn", "anyio", "prometheus_client", "click", "pluggy"}
CODE = """
import json, sys
{0}
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("import clawmatrix_model_proxy.api", {"api", "refusals", "values"}),
        ("from clawmatrix_model_proxy.api import ModelApi", {"api", "refusals", "values"}),
        (
            "from clawmatrix_model_proxy.api import *",
            {"api", "error_text", "json_values", "neutral", "refusals", "values"},
        ),
    ],
)
def test_importing_the_contract_loads_neither_the_plugin_nor_an_extra(
    code: str, needed: set[str]
) -> None:
    command = [sys.executable, "-c", CODE.format(code)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    loaded = set(json.loads(ran.stdout))
    own = {name for name in loaded if name.startswith("clawmatrix_model_proxy.")}
    rooms = {name.split(".")[1] for name in own}
    assert rooms == needed
    assert loaded & HEAVY == set()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(api, "nothing")  # noqa: B009 - mypy knows that it is not there


def test_each_public_name_is_there_and_says_what_it_is() -> None:
    assert sorted(api.__all__) == list(api.__all__)
    undocumented = [
        name
        for name in api.__all__
        if isinstance(getattr(api, name), type) and not getattr(api, name).__doc__
    ]
    assert undocumented == []
