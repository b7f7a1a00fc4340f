"""Claude Code through a mesh: whole sessions, with a tool that it runs."""

from __future__ import annotations

import base64
import json
import platform
from typing import TYPE_CHECKING, Any

import pytest

from tests.sdk.clients.conftest import PACKAGES, QUESTION, SECRET_WORD, documented
from tests.sdk.things import PNG

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place

MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "x64")
CLAUDE = PACKAGES / "@anthropic-ai" / f"claude-code-linux-{MACHINE}" / "claude"
QUIET = ("DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def claude(place: Place, model: str, prompt: str, *more: str) -> dict[str, Any]:
    """Run one session, as the documentation sets it up, and return its result."""
    lines = documented(place, "Claude Code", "sh", model).splitlines()
    env = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    told = ("-p", prompt, "--allowedTools", "Read", "--output-format", "json", *more)
    done = place.run(CLAUDE, *told, **env, **dict.fromkeys(QUIET, "1"))
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_reads_a_file_and_answers(place: Place, model: str) -> None:
    done = claude(place, model, QUESTION)
    assert not done["is_error"], done
    assert done["num_turns"] == 2
    assert done["stop_reason"] == "end_turn"
    assert SECRET_WORD in done["result"]


def test_it_goes_on_with_a_session_in_which_the_model_thought(place: Place, model: str) -> None:
    assert claude(place, model, "think hard")["result"] == "It is 42."
    done = claude(place, model, QUESTION, "--continue")
    assert not done["is_error"], done
    assert SECRET_WORD in done["result"]


def test_it_says_what_was_wrong(place: Place, model: str) -> None:
    done = claude(place, model, "something wrong")
    assert done["is_error"]
    assert done["api_error_status"] == 400
    assert "That is no request." in done["result"]


def test_it_counts_its_context(place: Place, plain_model: str) -> None:
    done = claude(place, plain_model, "/context")
    assert not done["is_error"], done
    assert "| Messages | 17 |" in done["result"]


def test_it_looks_at_a_picture(place: Place, model: str) -> None:
    (place.work / "picture.png").write_bytes(base64.b64decode(PNG))
    done = claude(place, model, "what is in the file picture.png")
    assert not done["is_error"], done
    assert done["num_turns"] == 2
    # in a request as Claude Code wrote it, this server looks at the texts of results only
    assert done["result"] == ("It says: " if model == "messages" else "It shows 1 picture(s).")
