"""The demo that is kept running: what it prints can be copied into a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
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
        body = answer[answer.index('{"id"') :]
        assert json.loads(body)["choices"]
    finally:
        shell(end)
    assert not Path(folder).exists()
    assert re.search(r"^  kill [\d ]+ && ", end, re.MULTILINE)
