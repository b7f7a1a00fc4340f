"""The scenarios in a twentieth of their time; ``make failover-bench`` plays them in their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.failover_bench.bench import NO_STREAM, bench_of
from tests.failover_bench.scenarios import SCENARIOS, Scenario, judge

SCALE = 0.05
LATE = {"S08", "S09", "S10", "S14"}
"""What cannot be mended once a part of the answer has gone out."""
CALLS = [scenario for scenario in SCENARIOS if scenario.id != "S15"]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The HTTP server needs asyncio."""
    return "asyncio", {"use_uvloop": False}


@pytest.mark.anyio
@pytest.mark.parametrize("hold", ["whole", "off", NO_STREAM])
@pytest.mark.parametrize("scenario", CALLS, ids=lambda scenario: scenario.id)
async def test_each_fault_ends_as_well_as_it_can(scenario: Scenario, hold: str) -> None:
    # Checks of pauses are about seconds, which no scale shortens: the table has them.
    timed = {"no hammering", "Retry-After kept", "no hang", "within budget", "first-token limit"}
    timed |= {"bounded", "ends promptly"}
    late = hold == "off" and scenario.id in LATE
    async with bench_of(SCALE) as bench:
        outcome = await bench.run(scenario, hold)
    verdict, failed = judge(scenario, outcome)
    failed = [name for name in failed if name not in timed and not (late and name == "complete")]
    assert not failed, (verdict, failed, outcome)
    assert not outcome.truncated_success
    if late:
        assert outcome.error
    elif scenario.ideal == "error":
        assert "content_policy_violation" in (outcome.error or "")
    else:
        assert outcome.rescued, outcome


@pytest.mark.anyio
async def test_a_primary_that_was_down_is_used_again_soon() -> None:
    # In a twentieth of the time, a machine that stalls for half a second skips the one probe of
    # the breaker that falls between the end of the outage and the twentieth call.
    async with bench_of(SCALE) as bench:
        seen = await bench.flap("off", calls=40)
    assert seen.served == seen.calls
    assert not seen.truncated
    assert seen.recovered is not None
    assert seen.recovered < 60
