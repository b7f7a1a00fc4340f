"""Codex through a mesh: whole sessions, with a command that it runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.sdk.clients.conftest import HERE, PACKAGES, QUESTION, SECRET_WORD, documented

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place

CODEX = PACKAGES / ".bin" / "codex"
SEARCHES_NOT = 'web_search = "disabled"'
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def codex(
    place: Place, model: str, prompt: str, *without: str, more: str = ""
) -> list[dict[str, Any]]:
    """Run one session, as the documentation sets it up but for some lines; return its events."""
    config = documented(place, "Codex", "toml", model) + more
    for line in without:
        assert line in config
        config = config.replace(line, "")
    folder = place.home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(config)
    return execute(place, prompt)


def execute(place: Place, *prompt: str) -> list[dict[str, Any]]:
    told = ("exec", "--skip-git-repo-check", "-s", "read-only", "--json", *prompt)
    done = place.run(CODEX, *told, OPENAI_API_KEY=place.mesh.token)
    assert done.stdout, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def items(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    found = [e["item"] for e in events if e["type"] == "item.completed"]
    return [item for item in found if item["type"] == kind]


def test_it_runs_a_command_and_answers(place: Place, model: str) -> None:
    events = codex(place, model, QUESTION)
    [run] = items(events, "command_execution")
    assert (run["aggregated_output"], run["exit_code"]) == (f"{SECRET_WORD}\n", 0)
    [said] = items(events, "agent_message")
    assert SECRET_WORD in said["text"]
    assert events[-1]["type"] == "turn.completed"


def test_it_goes_on_with_a_session_in_which_the_model_thought(place: Place, model: str) -> None:
    [said] = items(codex(place, model, "think hard"), "agent_message")
    assert said["text"] == "It is 42."
    events = execute(place, "resume", "--last", QUESTION)
    assert SECRET_WORD in items(events, "agent_message")[-1]["text"]
    assert events[-1]["type"] == "turn.completed"


def test_it_says_what_was_wrong(place: Place, model: str) -> None:
    events = codex(place, model, "something wrong")
    assert events[-1]["type"] == "turn.failed"
    assert "That is no request." in events[-1]["error"]["message"]


def test_all_of_its_tools_reach_an_upstream_of_responses(place: Place) -> None:
    events = codex(place, "responses", QUESTION, SEARCHES_NOT)
    assert events[-1]["type"] == "turn.completed"


@pytest.mark.parametrize("converted", ["completions", "messages"])
def test_tools_that_run_upstream_are_refused_by_name(place: Place, converted: str) -> None:
    events = codex(place, converted, QUESTION, SEARCHES_NOT)
    assert events[-1]["type"] == "turn.failed"
    assert "web_search is a tool that runs at the upstream" in events[-1]["error"]["message"]


@pytest.mark.parametrize("converted", ["completions", "messages"])
def test_it_calls_a_tool_of_an_mcp_server(place: Place, converted: str) -> None:
    server = [sys.executable, str(HERE / "mcp_server.py")]
    more = (
        f"[mcp_servers.words]\ncommand = {json.dumps(server[0])}\nargs = {json.dumps(server[1:])}"
    )
    events = codex(place, converted, "ask the oracle", more=more)
    [call] = items(events, "mcp_tool_call")
    assert (call["server"], call["tool"], call["status"]) == ("words", "oracle", "completed")
    assert "the secret word is ibis" in items(events, "agent_message")[-1]["text"]
