"""Tests of the end of a stop that takes too long."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from clawmatrix_core.cli.stopping import StopLimit

if TYPE_CHECKING:
    import pytest


def test_it_names_who_holds_up_the_stop_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    ended, codes = threading.Event(), list[int]()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    with StopLimit(0.01, lambda: ["stork: task fly", "bells: node_stopping"], end=end) as limit:
        limit.begin()
        limit.begin()
        assert ended.wait(10)
    assert codes == [1]
    told = "clawmatrix: not stopped within 0.01 s, held up by stork: task fly, bells: node_stopping"
    assert capsys.readouterr().err == f"{told}: ended\n"


def test_a_stop_in_time_ends_nothing() -> None:
    codes: list[int] = []
    with StopLimit(3600, list, end=codes.append) as limit:
        limit.begin()
    assert not any(isinstance(one, threading.Timer) and one.is_alive() for one in _timers(limit))
    with StopLimit(3600, list, end=codes.append):
        pass
    assert codes == []


def _timers(limit: StopLimit) -> list[threading.Thread]:
    timer = limit._timer
    assert timer is not None
    timer.join(10)
    return [timer]
