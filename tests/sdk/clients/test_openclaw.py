"""OpenClaw with the mesh as its provider: its check of the configuration, and turns with a tool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sdk.clients.conftest import PACKAGES, QUESTION, SECRET_WORD, documented
from tests.sdk.conftest import NODE

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place

OPENCLAW = PACKAGES / "openclaw" / "openclaw.mjs"
PAIRS = [
    ("openai-completions", "completions"),
    ("openai-completions", "messages"),
    ("openai-responses", "completions"),
    ("openai-responses", "messages"),
    ("anthropic-messages", "responses"),
    ("anthropic-messages", "completions"),
]
"""What OpenClaw speaks, and the model."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize(("api", "pair_model"), PAIRS)
def test_its_agent_reads_a_file_and_answers(place: Place, api: str, pair_model: str) -> None:
    folder = place.home / ".openclaw"
    folder.mkdir(mode=0o700)
    config = documented(place, "OpenClaw", "json5", pair_model)
    if api == "anthropic-messages":
        config = config.replace(place.mesh.url, place.root)
    config = config.replace('"openai-completions"', f'"{api}"')
    own = f'defaults: {{ workspace: "{place.work}", skipBootstrap: true,'
    (folder / "openclaw.json").write_text(config.replace("defaults: {", own))
    checked = place.run(NODE, OPENCLAW, "config", "validate")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    turn = ("agent", "--local", "--agent", "main", "--message", QUESTION, "--json")
    done = place.run(NODE, OPENCLAW, *turn)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads(done.stdout)
    assert SECRET_WORD in json.dumps(result["payloads"]), done.stdout[:3000]
