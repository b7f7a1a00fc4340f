"""LangChain for JavaScript through a mesh: its chat models, each before upstreams of each API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

CLIENTS = ["ChatOpenAI", "ChatOpenAI (Responses)", "ChatAnthropic"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("client", CLIENTS)
def test_it_does_all_it_can(place: Place, tried: Tried, client: str, model: str) -> None:
    embeds = ["embeddings"] if client == "ChatOpenAI" and model != "messages" else []
    seen = place.report("langchain-js", "langchain.mjs", client, model, *embeds)
    assert tried.add("LangChain for JavaScript", f"`{client}`", model, seen) == {}
