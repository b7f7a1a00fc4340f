"""The command `llm` through a mesh: models of OpenAI's two APIs, and the plugin for Anthropic's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sdk.clients.conftest import PYTHON, documented
from tests.sdk.conftest import CLAUDE

if TYPE_CHECKING:
    import subprocess

    from tests.sdk.clients.conftest import Place

WEATHER = """
def get_weather(city: str) -> str:
    "Says what the weather is."
    return f"{'rain' if city == 'Oslo' else 'sun'} in {city}"
"""
NAMES = ["mesh", "mesh-responses"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def llm(place: Place, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return place.run(PYTHON / "llm", *arguments, LLM_USER_PATH=str(place.home), **env)


def said(place: Place, model: str, *arguments: str) -> str:
    """Set `llm` up as the documentation says, and return what the model said."""
    models = documented(place, "llm", "yaml", model)
    (place.home / "extra-openai-models.yaml").write_text(models)
    (place.home / "keys.json").write_text(json.dumps({"clawmatrix": place.mesh.token}))
    done = llm(place, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_it_answers(place: Place, model: str, name: str) -> None:
    assert said(place, model, "-m", name, "hello there") == "You said: hello there"


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_tools(place: Place, model: str, name: str) -> None:
    answer = said(place, model, "-m", name, "--functions", WEATHER, "the weather here and there")
    assert answer == "They say: rain in Oslo and sun in Rome."


@pytest.mark.parametrize("name", NAMES)
def test_its_answer_has_the_shape_asked_for(place: Place, model: str, name: str) -> None:
    answer = said(place, model, "-m", name, "--schema", "name, age int", "Ada, as data")
    assert json.loads(answer) == {"name": "Ada", "age": 36}


def test_its_plugin_for_claude_answers_and_runs_tools(place: Place) -> None:
    env = {"ANTHROPIC_BASE_URL": place.root, "ANTHROPIC_API_KEY": place.mesh.token}
    done = llm(place, "-m", f"anthropic/{CLAUDE}", "hello there", **env)
    assert (done.returncode, done.stdout.strip()) == (0, "You said: hello there"), done.stderr
    command = ("-m", f"anthropic/{CLAUDE}", "--functions", WEATHER, "the weather here and there")
    done = llm(place, *command, **env)
    assert done.stdout.strip() == "They say: rain in Oslo and sun in Rome.", done.stderr
