"""Agents of pydantic-ai through a mesh: its three models, each before upstreams of each API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("kind", ["OpenAIChatModel", "OpenAIResponsesModel", "AnthropicModel"])
def test_its_agents_do_all_they_can(place: Place, tried: Tried, kind: str, model: str) -> None:
    embeds = ["embeddings"] if kind == "OpenAIChatModel" and model != "messages" else []
    seen = place.report("pydantic-ai", "pydantic_ai_agent.py", kind, model, *embeds)
    assert tried.add("pydantic-ai", f"`{kind}`", model, seen) == {}
