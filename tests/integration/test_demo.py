"""The demo that is kept running: what it prints is right, and can be copied into a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

SCRIPT = Path(sys.executable).with_name("clawmatrix")


def shell(text: str) -> str:
    """Run lines in a shell that does not have the virtual environment on its PATH."""
    environ = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["/bin/sh", "-ec", text], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_it_prints_works_when_it_is_copied() -> None:
    printed = shell(f"{SCRIPT} demo --keep")
    try_, end = printed.split("Still running, from ")[1].split("To end it:")
    folder, _, lines = try_.partition(". Try:")
    try:
        answer = shell(lines)
        assert "2/2 reachable" in answer
        assert "office: via relay in" in answer
        assert "a second relay.\n" in answer
        body = answer[answer.index('{"id"') :]
        assert json.loads(body)["choices"]
        look_at_tools(printed)
        look_at_note(printed)
    finally:
        shell(end)
    assert not Path(folder).exists()
    assert re.search(r"^  kill [\d ]+ && ", end, re.MULTILINE)


def look_at_note(printed: str) -> None:
    """Hold the shared note to the lines of both, once each."""
    if "Shared folders are left out" in printed:
        assert find_spec("automerge") is None or not entry_points(name="knowledge")
        return
    _, shown = printed.split("memory/today.md, the same at home and at office:\n")
    lines = [line.strip() for line in shown.split("\n\n")[0].splitlines()]
    assert lines[0] == "# Monday"
    assert sorted(lines[1:]) == ["- home: buy milk", "- office: call Ada"]
    assert "home$ clawmatrix sync log memory/today.md\n" in shown


NO_RULE = "[grants] does not let home use the tool write so"


def look_at_tools(printed: str) -> None:
    """Hold the part about tools to a granted call, a denied one, one by MCP, and their audit."""
    assert "  tools/list: cluster_peers, office__read\n" in printed
    assert "  tools/call office__read: Milk, eggs, and a second relay.\n" in printed
    granted, denied, audit = re.findall(
        r"(?m)^\w+\$ clawmatrix (?!status|sync).*\n((?:.+\n)*)", printed
    )
    assert granted.startswith("Milk, eggs, and a second relay.\n")
    assert denied == "clawmatrix: not_allowed: not allowed on this node\n"
    lines = [
        (line.split("  ")[1], dict(re.findall(r"(\w+)=((?:\S| (?! ))+)", line)))
        for line in audit.splitlines()
    ]
    told = [
        (event, *map(fields.get, ("peer", "target", "rule", "outcome")))
        for event, fields in lines
        if fields.get("target") != "agents"
    ]
    assert told == [
        ("begin", "home", "read", "grants.home.tools", None),
        ("end", "home", "read", "grants.home.tools", "success"),
        ("denied", "home", "write", f"grants: {NO_RULE}", "denied"),
        ("begin", "home", "read", "grants.home.tools", None),
        ("end", "home", "read", "grants.home.tools", "success"),
    ]
