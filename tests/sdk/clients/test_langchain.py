"""LangChain's chat models through a mesh, each before an upstream of each API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sdk.clients.conftest import HERE, PYTHON

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place

CLIENTS = {"chat": "ChatOpenAI", "responses": "ChatOpenAI", "messages": "ChatAnthropic"}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("kind", CLIENTS)
def test_it_answers_streams_runs_tools_and_parses(place: Place, kind: str, model: str) -> None:
    command = (PYTHON / "python", HERE / "langchain_program.py", kind, model)
    done = place.run(*command, URL=place.mesh.url, TOKEN=place.mesh.token)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"client": CLIENTS[kind], "model": model}
