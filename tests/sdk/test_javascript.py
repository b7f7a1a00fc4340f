"""The official SDKs of JavaScript over a relay to upstreams of every API."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.sdk.conftest import HERE, NODE

if TYPE_CHECKING:
    from tests.sdk.conftest import Mesh


def test_the_sdks_of_javascript(mesh: Mesh, model: str) -> None:
    env = {**os.environ, "URL_OF_NODE": mesh.url, "TOKEN": mesh.token, "MODEL": model}
    command = [str(NODE), "--test", "--test-timeout=20000", "javascript.mjs"]
    done = subprocess.run(
        command, cwd=HERE, env=env, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "pass 9" in done.stdout
