"""Tests of finding out who blocks the loop."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time

import anyio
import pytest

from clawmatrix_core.base.serving import serves_input
from clawmatrix_core.base.watchdog import LoopWatchdog, ProcessorWaits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.anyio
async def test_a_blocked_loop_is_reported_while_it_is_blocked() -> None:
    noticed = threading.Event()
    reports: list[tuple[str, float, str, bool]] = []

    def report(name: str, seconds: float, stack: str, serving: bool) -> None:
        reports.append((name, seconds, stack, serving))
        noticed.set()

    with LoopWatchdog(report, limit=0.05) as watchdog:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watchdog.run)
            await anyio.lowlevel.checkpoint()
            watchdog.current = "slow.frame_received"
            assert noticed.wait(30)
            watchdog.current = ""
            tasks.cancel_scope.cancel()
    name, seconds, stack, serving = reports[0]
    assert not serving
    assert name == "slow.frame_received"
    assert seconds > 0.05
    assert "noticed.wait(30)" in stack


def test_time_without_a_processor_is_not_held_against_anybody() -> None:
    clock, starved = Clock(), Clock()
    reports: list[float] = []
    watchdog = LoopWatchdog(
        lambda name, seconds, stack, serving: reports.append(seconds),
        clock=clock,
        starved=starved,
    )
    clock.now = 0.25
    watchdog.check()
    clock.now, starved.now = 5.0, 4.0  # of which the loop could run for a second in all
    watchdog.check()
    assert reports == []
    clock.now, starved.now = 5.5, 4.25
    watchdog.check()
    assert reports == [1.25]


@pytest.mark.skipif(sys.platform != "linux", reason="no other system counts it for a thread")
def test_a_thread_that_is_kept_from_running_has_waited_for_a_processor() -> None:
    waits = ProcessorWaits(threading.get_native_id())
    before = waits.read()
    ends = time.monotonic() + 30
    stop = threading.Event()
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        while waits.read() - before < 0.05:
            assert time.monotonic() < ends
            stop.wait(0)
    finally:
        for other in others:
            other.kill()
            other.wait()
    last = waits.read()
    waits.close()
    waits.close()
    assert waits.read() == last
    assert ProcessorWaits(0).read() == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="no other system counts it for a thread")
def test_a_process_that_runs_out_of_descriptors_goes_on_counting() -> None:
    waits = ProcessorWaits(threading.get_native_id())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.open("/proc/self/stat", os.O_RDONLY)
        before = waits.read()
        time.sleep(0)
        assert waits.read() >= before > 0.0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        waits.close()


def test_time_in_which_the_whole_process_was_stopped_is_not_held_against_anybody() -> None:
    clock = Clock()
    reports: list[float] = []
    watchdog = LoopWatchdog(
        lambda name, seconds, stack, serving: reports.append(seconds),
        clock=clock,
        starved=lambda: 0.0,
    )
    watchdog.check()
    clock.now = 60.25
    watchdog.note_wait(60.25, 0.01)  # Ctrl-Z: a wait of a quarter of a second took a minute
    watchdog.check()
    assert reports == []
    clock.now = 62.0
    watchdog.note_wait(1.5, 1.4)  # held up by code that keeps the interpreter's lock
    watchdog.check()
    assert reports == [pytest.approx(2.01)]


@serves_input
def serve(noticed: threading.Event) -> None:
    assert noticed.wait(30)


@pytest.mark.anyio
async def test_a_loop_that_is_blocked_while_it_serves_others_is_told_apart() -> None:
    noticed = threading.Event()
    told: list[bool] = []

    def report(name: str, seconds: float, stack: str, serving: bool) -> None:
        told.append(serving)
        noticed.set()

    with LoopWatchdog(report, limit=0.05) as watchdog:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watchdog.run)
            await anyio.lowlevel.checkpoint()
            serve(noticed)
            tasks.cancel_scope.cancel()
    assert told == [True]


def test_a_stall_is_reported_once() -> None:
    clock = Clock()
    reports: list[tuple[str, float, str]] = []
    watchdog = LoopWatchdog(lambda *report: reports.append(report[:3]), clock=clock)
    clock.now = 1.0
    watchdog.check()
    assert reports == []
    clock.now = 1.5
    watchdog.check()
    watchdog.check()
    assert reports == [("something", 1.5, "")]
    watchdog.beat()
    watchdog.check()
    clock.now = 3.0
    watchdog.current = "a.b"
    watchdog.check()
    assert reports[1:] == [("a.b", 1.5, "")]


def test_a_report_that_fails_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def report(name: str, seconds: float, stack: str, serving: bool) -> None:
        raise ValueError("no")

    watchdog = LoopWatchdog(report, clock=clock)
    clock.now = 2.0
    watchdog.check()
    assert "reporting a stall failed" in caplog.text


def test_it_leaves_no_thread_behind() -> None:
    watchdog = LoopWatchdog(lambda *_: None, limit=1000)
    watchdog.start()
    assert "loop watchdog" in [thread.name for thread in threading.enumerate()]
    watchdog.stop()
    watchdog.stop()
    assert "loop watchdog" not in [thread.name for thread in threading.enumerate()]


def test_a_report_may_stop_the_watch() -> None:
    stopped = threading.Event()
    watchdog: LoopWatchdog

    def report(name: str, seconds: float, stack: str, serving: bool) -> None:
        watchdog.stop()
        stopped.set()

    watchdog = LoopWatchdog(report, limit=0.01)
    watchdog.start()
    assert stopped.wait(30)
    watchdog.stop()
