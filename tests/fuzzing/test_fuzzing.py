"""A short run of every fuzzing target; ``make fuzz`` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzzing.catalogue import TARGETS
from tests.fuzzing.edits import Edit, edited
from tests.fuzzing.live import besiege

if TYPE_CHECKING:
    from tests.fuzzing.target import Target

INPUTS = 60
"""For each target."""

numbers = st.integers(0, 65535)
edits = st.lists(st.builds(Edit, st.integers(0, 255), numbers, numbers), max_size=4)
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@every_target
def test_real_inputs_are_taken(target: Target) -> None:
    assert sum(target.try_(seed) for seed in target.seeds()) > 0  # all of them are fed


@every_target
def test_altered_inputs_give_nothing_but_typed_errors(target: Target) -> None:
    seeds = target.seeds()

    @settings(max_examples=INPUTS, deadline=None)
    @given(st.sampled_from(seeds), edits)
    def feed(seed: bytes, changes: list[Edit]) -> None:
        target.try_(edited(seed, changes, seeds))

    feed()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # which the HTTP server needs
async def test_a_live_node_takes_anything_and_keeps_nothing(anyio_backend: str) -> None:
    report = await besiege(2.0, keys=False)
    assert len(report.sent) == 4
    assert report.answered > 3
