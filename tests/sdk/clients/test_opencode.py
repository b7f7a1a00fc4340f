"""opencode through a mesh: sessions with tools, by each API that its providers speak."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import pytest

from tests.sdk.clients.conftest import ENVIRONMENTS, QUESTION, SECRET_WORD, documented

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

NAME = "opencode-linux-x64-baseline"
PACKAGE = ENVIRONMENTS / "npm/opencode/node_modules" / NAME
COMPATIBLE = "@ai-sdk/openai-compatible"
PROVIDERS = [COMPATIBLE, "@ai-sdk/openai", "@ai-sdk/anthropic"]
QUIET = ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "SHARE")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(platform.machine() != "x86_64", reason=f"{NAME} is what is pinned"),
]


def opencode(place: Place, *told: str) -> list[dict[str, Any]]:
    """Run one turn of a session and return its events."""
    env = {f"OPENCODE_DISABLE_{name}": "1" for name in QUIET}
    done = place.run(
        PACKAGE / "bin/opencode", "run", "--format", "json", "--title", "a test", *told, **env
    )
    assert done.stdout, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def said(events: list[dict[str, Any]]) -> str:
    return "".join(event["part"]["text"] for event in events if event["type"] == "text")


def set_up(place: Place, provider: str, model: str) -> None:
    config = documented(place, "opencode", "json", model).replace(COMPATIBLE, provider)
    (place.work / "opencode.json").write_text(config)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_answers_reads_a_file_and_says_what_was_wrong(
    place: Place, tried: Tried, provider: str, model: str
) -> None:
    set_up(place, provider, model)
    thought = opencode(place, "think hard")
    read = opencode(place, "--continue", QUESTION)
    wrong = opencode(place, "something wrong")
    told = [event for event in wrong if event["type"] == "error"]
    found = {
        "answers": None if said(thought) == "It is 42." else str(thought)[:2000],
        "goes on, reads a file": None if SECRET_WORD in said(read) else str(read)[:2000],
        "says what was wrong": None if "That is no request." in str(told) else str(wrong)[:2000],
    }
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    seen = {"versions": {NAME: version}, "found": found}
    assert tried.add("opencode", f"`{provider}`", model, seen) == {}
