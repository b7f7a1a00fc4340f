"""Every benchmark runs, and reports what it should. What it measures here means nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.harness import ROOT
from tests.benchmarks.render import BEGIN, END, render, replace

if TYPE_CHECKING:
    from pathlib import Path

MEASURES = {
    "dispatch": (
        "dispatch of a frame that a plugin takes",
        "dispatch of a frame that no plugin takes",
        "a frame to the exchange that waits for it",
        "a header read",
        "opened, 65536 B",
    ),
    "relay": ("frames relayed, 256 B", "frames relayed, 65536 B", "one way, p50, 4096 B"),
    "models": (
        "seconds from start to the first answer",
        "a call, p50, added to the direct way",
        "memory of office, RSS, after the run",
        "first chunk, added to the direct way",
        "calls a second, 2 clients",
        "chunks a second, 2 streams of 20",
        "processor time a call, all processes",
    ),
    "pairs": (
        "chat to openai-completions, chunks a second",
        "messages to openai-responses, chunks a second",
        "responses to anthropic-messages, a call, p50",
    ),
    "cancel": (
        "stream: chunks written after, most",
        "whole: from leaving to the upstream's notice, median",
    ),
    "sealing": (
        "calls a second, 2 clients",
        "processor time a call, all processes",
        "chunks a second, a stream of 20",
        "bytes of an exchange, in frames of 64 KiB",
        "handshakes of a session (KKpsk0), both ends",
    ),
    "grants": (
        "a decision, 1,000 rules of which 20 name the node and the tool",
        "a decision, 1,000 rules that all name them",
        "10,000 rules read at the start",
    ),
    "tools": (
        "read of 4 KiB, p50",
        "one flush of a line to the disk, p50",
        "output of a function, 4 MiB",
        "memory of office, more after all output",
    ),
}


def run(name: str, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}", "--tiny", "--out", str(out)]
    if name in ("models", "cancel", "pairs"):
        command.append("--no-peer")  # LiteLLM takes a minute to install
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(out.read_text())
    return report


@pytest.mark.skipif(sys.platform != "linux", reason="memory and times are read from /proc")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", MEASURES)
def test_a_benchmark_completes_and_reports_its_measures(name: str, tmp_path: Path) -> None:
    report = run(name, tmp_path / "results.json")
    assert report["benchmark"] == name
    assert report["machine"].keys() == {"cores", "cpu", "system", "python"}
    assert "clawmatrix" in report["versions"]
    rows = {row["measure"]: row for row in report["rows"]}
    for measure in MEASURES[name]:
        assert measure in rows
        assert isinstance(rows[measure]["ours"], int | float)
    for row in rows.values():
        assert row.keys() == {
            "measure", "unit", "better", "ours", "peer", "peer_name", "ratio", "target", "spread"
        }  # fmt: skip
    assert TABLE_HEAD in render([report])


TABLE_HEAD = "| measure | ours | peer | ratio | target |"


def test_the_tables_of_the_page_are_replaced_and_its_words_kept() -> None:
    page = f"words\n{BEGIN}\n\nold\n{END}\nmore words\n"
    assert replace(page, "new\n") == f"words\n{BEGIN}\n\nnew\n\n{END}\nmore words\n"
    assert replace(replace(page, "new\n"), "new\n") == replace(page, "new\n")
