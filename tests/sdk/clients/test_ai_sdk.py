"""Vercel's AI SDK through a mesh: three versions, four providers, upstreams of each API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

PROVIDERS = ["openai", "openai.chat", "openai-compatible", "anthropic"]
EMBEDS = {"openai", "openai-compatible"}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("version", [5, 6, 7])
def test_it_does_all_it_can(
    place: Place, tried: Tried, version: int, provider: str, model: str
) -> None:
    # the API of Anthropic has no embeddings, as a client's or as an upstream's
    embeddings = provider in EMBEDS and model != "messages"
    uses = (provider, model, "embeddings" if embeddings else "")
    seen = place.report(f"ai-{version}", "ai_sdk.mjs", *uses)
    assert tried.add(f"AI SDK {version}", f"`{provider}`", model, seen) == {}
