"""The Agents SDK of OpenAI through a mesh: both of its models, before upstreams of each API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

KINDS = ["OpenAIResponsesModel", "OpenAIChatCompletionsModel"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("kind", KINDS)
def test_its_agents_do_all_they_can(place: Place, tried: Tried, kind: str, model: str) -> None:
    seen = place.report("openai-agents", "openai_agents.py", kind, model)
    assert tried.add("openai-agents", f"`{kind}`", model, seen) == {}
