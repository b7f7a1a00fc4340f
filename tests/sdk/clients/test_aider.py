"""aider through a mesh: it has no tools, and edits files by the form of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sdk.clients.conftest import ENVIRONMENTS, documented

if TYPE_CHECKING:
    import subprocess

    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

FOLDER = ENVIRONMENTS / "python/aider"
OPTIONS = (
    "analytics-disable",
    "no-check-update",
    "no-detect-urls",
    "no-git",
    "no-pretty",
    "no-show-model-warnings",
    "no-show-release-notes",
    "yes-always",
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def aider(place: Place, kind: str, model: str, *told: str) -> subprocess.CompletedProcess[str]:
    """Run one turn, as the documentation sets it up."""
    lines = documented(place, "aider", "sh", model).splitlines()
    env = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    env["AIDER_MODEL"] = env["AIDER_MODEL"].replace("openai/", f"{kind}/")
    env["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    options = [f"--{name}" for name in OPTIONS]
    return place.run(FOLDER / "bin/aider", *options, "--edit-format", "whole", *told, **env)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_it_writes_a_file_and_says_what_was_wrong(
    place: Place, tried: Tried, kind: str, model: str
) -> None:
    caches = place.home / ".aider/caches"
    caches.mkdir(parents=True)
    (caches / "model_prices_and_context_window.json").write_text('{"none": {}}')  # else it asks
    found: dict[str, str | None] = {}
    poem = place.work / "poem.txt"
    for use, more in {"writes a file": (), "without a stream": ("--no-stream",)}.items():
        done = aider(place, kind, model, *more, "--message", "write a poem", poem.name)
        found[use] = None if poem.read_text() == "a heron stands\n" else done.stdout
        poem.unlink()
    wrong = aider(place, kind, model, "--message", "something wrong")
    told = " ".join(wrong.stdout.split())  # it is wrapped for a terminal
    found["says what was wrong"] = None if "That is no request." in told else told
    [package] = FOLDER.glob("lib/*/site-packages/aider_chat-*.dist-info")
    versions = {"aider-chat": package.name.split("-")[1].removesuffix(".dist")}
    seen = {"versions": versions, "found": found}
    assert tried.add("aider", f"`{kind}/`", model, seen) == {}
