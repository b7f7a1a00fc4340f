"""What other plugins import of the model proxy loads nothing that serves."""

from __future__ import annotations

import json
import subprocess
import sys

from clawmatrix_model_proxy import api

HEAVY = {"httptools", "starlette", "uvicorn", "anyio", "prometheus_client", "click", "pluggy"}
CODE = """
import json, sys
import clawmatrix_model_proxy.api
print(json.dumps(sorted(sys.modules)))
"""


def test_importing_the_contract_loads_neither_the_plugin_nor_an_extra() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(ran.stdout))
    own = {name for name in loaded if name.startswith("clawmatrix_model_proxy.")}
    rooms = {name.split(".")[1] for name in own}
    assert rooms == {"api", "neutral", "refusals"}
    assert loaded & HEAVY == set()


def test_each_public_name_is_there_and_says_what_it_is() -> None:
    assert sorted(api.__all__) == list(api.__all__)
    undocumented = [
        name
        for name in api.__all__
        if isinstance(getattr(api, name), type) and not getattr(api, name).__doc__
    ]
    assert undocumented == []
