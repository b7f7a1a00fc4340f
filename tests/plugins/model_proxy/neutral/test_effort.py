"""The effort that a request asks for, said as such or as a budget of thoughts."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.neutral.effort import effort_of


@pytest.mark.parametrize(
    ("settings", "effort"),
    [
        ({}, None),
        ({"effort": "xhigh"}, "xhigh"),
        ({"effort": "low", "thinking": {"type": "enabled", "budget_tokens": 32_000}}, "low"),
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 16_384}}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, None),
        ({"thinking": True}, None),
    ],
)
def test_effort_is_given_or_follows_from_the_budget(
    settings: dict[str, Any], effort: str | None
) -> None:
    assert effort_of(settings) == effort
