"""pi through a mesh: sessions with tools, by each API that it speaks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sdk.clients.conftest import ENVIRONMENTS, QUESTION, SECRET_WORD, documented
from tests.sdk.conftest import NODE

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

PACKAGE = ENVIRONMENTS / "npm/pi/node_modules/@earendil-works/pi-coding-agent"
COMPLETIONS = "openai-completions"
APIS = [COMPLETIONS, "openai-responses", "anthropic-messages"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def pi(place: Place, model: str, *told: str) -> tuple[str, str]:
    """Run one turn of a session; return what it said, and why it stopped."""
    command = (PACKAGE / "dist/bundle/cli.js", "--model", f"clawmatrix/{model}")
    done = place.run(NODE, *command, "--mode", "json", "-p", *told, PI_OFFLINE="1")
    assert done.stdout, done.stderr[-3000:]
    events = [json.loads(line) for line in done.stdout.splitlines()]
    messages = [event["message"] for event in events if event["type"] == "message_end"]
    answers = [message for message in messages if message["role"] == "assistant"]
    assert answers, done.stdout[-3000:]
    return text(answers[-1]), answers[-1].get("errorMessage", "")


def text(message: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in message["content"])


@pytest.mark.parametrize("api", APIS)
def test_it_answers_reads_a_file_and_says_what_was_wrong(
    place: Place, tried: Tried, api: str, model: str
) -> None:
    folder = place.home / ".pi/agent"
    folder.mkdir(parents=True)
    config = documented(place, "pi", "json", model).replace(COMPLETIONS, api)
    if api == "anthropic-messages":
        config = config.replace(place.mesh.url, place.root)
    (folder / "models.json").write_text(config)
    thought = pi(place, model, "think hard")
    read = pi(place, model, "--continue", QUESTION)
    wrong = pi(place, model, "something wrong")
    found = {
        "answers": None if thought == ("It is 42.", "") else str(thought),
        "goes on, reads a file": None if SECRET_WORD in read[0] and not read[1] else str(read),
        "says what was wrong": None if "That is no request." in wrong[1] else str(wrong),
    }
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    seen = {"versions": {"@earendil-works/pi-coding-agent": version}, "found": found}
    assert tried.add("pi", f"`{api}`", model, seen) == {}
