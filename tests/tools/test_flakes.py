"""What ever failed in many runs of the tests is listed, with how often."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.tools.flakes import ROOT, Ran, read, render

if TYPE_CHECKING:
    from pathlib import Path

SOMETIMES = """
import os
import pytest


@pytest.fixture
def broken():
    yield
    raise LookupError("on the way out")


def test_that_passes():
    pass


@pytest.mark.parametrize("words", ["a - b", "c"])
def test_that_fails(words):
    assert words == "c"


def test_whose_end_fails(broken):
    pass


@pytest.mark.skip(reason="not here")
def test_that_is_skipped():
    pass
"""
CLEAN = Ran(frozenset(), status=0, seconds=1.0, is_busy=False)


def test_failures_and_errors_are_read_from_a_report(tmp_path: Path) -> None:
    (tmp_path / "test_sometimes.py").write_text(SOMETIMES)
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", ".", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, f"--junitxml={report}", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert read(report, tmp_path) == {
        "test_sometimes.py::test_that_fails[a - b]",
        "test_sometimes.py::test_whose_end_fails",
    }


def test_a_report_that_was_never_written_names_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "report.xml") == frozenset()


def test_what_failed_is_listed_with_how_often_and_where() -> None:
    runs = [
        Ran(frozenset({"a.py::test_often"}), status=1, seconds=400.0, is_busy=False),
        CLEAN,
        Ran(frozenset({"a.py::test_often", "b.py::test_late"}), 1, 500.0, is_busy=True),
    ]
    assert render(runs) == (
        "run 1: 1 failed in 400 s\n"
        "run 2: 0 failed in 1 s\n"
        "run 3: 2 failed in 500 s, beside a busy core\n"
        "\n"
        "2 of 3: a.py::test_often\n"
        "1 of 3: b.py::test_late, only beside a busy core\n"
    )


def test_clean_runs_are_said_to_be_clean() -> None:
    assert render([CLEAN] * 5).endswith("\nNo test failed in 5 runs.\n")


def test_a_run_that_broke_is_not_clean() -> None:
    broken = Ran(frozenset(), status=3, seconds=1.0, is_busy=False)
    assert not broken.is_clean
    said = render([broken])
    assert "pytest ended with status 3" in said
    assert "No test failed" not in said


def test_the_tool_runs_the_tests_once_more_beside_a_busy_core() -> None:
    command = [sys.executable, "-m", "tests.tools.flakes", "--runs", "2", "--workers", "0", "--"]
    ran = subprocess.run(
        [*command, "tests/core/base/test_clock.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("\nNo test failed in 2 runs.\n")
    assert "run 1: 0 failed" in ran.stdout
    assert ", beside a busy core\n" in ran.stdout
