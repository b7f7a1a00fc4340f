"""Older SDKs of OpenAI and Anthropic through a mesh, before upstreams of each API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sdk.clients.conftest import Place
    from tests.sdk.clients.tried import Tried

ENVIRONMENTS = {"old-sdks": "first", "last-sdks": "last"}
"""The environments, and which of the old releases they have."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("kind", ["chat", "messages"])
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_it_does_all_it_can(
    place: Place, tried: Tried, environment: str, kind: str, model: str
) -> None:
    embeds = ["embeddings"] if kind == "chat" and model != "messages" else []
    seen = place.report(environment, "old_sdks.py", kind, model, *embeds)
    [(package, version)] = seen["versions"].items()
    speaks = f"`{package}` {version}"
    assert tried.add("Older SDKs", speaks, model, seen) == {}
