"""The official MCP SDKs of JavaScript, of both eras, with tools two hops away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.sdk.conftest import HERE, NODE, SHED

if TYPE_CHECKING:
    from tests.sdk.conftest import Mesh, Shed


def test_they_list_and_call_with_progress_and_cancel(mesh: Mesh, shed: Shed) -> None:
    command = [sys.executable, "-m", "clawmatrix_core.cli", "mcp", "-c", str(mesh.home.config)]
    env = {
        **os.environ,
        "URL_OF_MCP": mesh.url.removesuffix("/v1") + "/mcp",
        "TOKEN": mesh.token,
        "COMMAND": json.dumps(command),
        "NOTES": str(shed.notes),
        "SERVED": SHED,
    }
    told = [str(NODE), "--test", "--test-timeout=30000", "mcp.mjs"]
    done = subprocess.run(
        told, cwd=HERE, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "pass 4" in done.stdout
