"""What another user of the machine gets of a node that runs there: a process of that user tries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.control.address import control_socket_path
from tests.integration.conftest import SECRET, NodeProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = 'plugins = ["mesh", "http", "control"]\n[http]\nlisten = "127.0.0.1:{port}"\n'
TRIES = """
import encodings.idna, http.client, json, os, socket, sys
from pathlib import Path
os.setgroups([])
os.setgid(65534)
os.setuid(65534)  # the interpreter may lie where only its own user reads
port, process, path, *files = sys.argv[1:]
def tried(call):
    try:
        return str(call())
    except OSError as error:
        return type(error).__name__
def asked(path):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    connection.request("GET", path)
    return connection.getresponse().status
print(json.dumps({
    "socket": tried(lambda: socket.socket(socket.AF_UNIX).connect(path)),
    "files": {Path(file).name: tried(Path(file).read_bytes) for file in files},
    "environ": tried(Path("/proc", process, "environ").read_bytes),
    "cmdline": tried(Path("/proc", process, "cmdline").read_text),
    "metrics": tried(lambda: asked("/metrics")),
    "health": tried(lambda: asked("/healthz")),
}))
"""


@pytest.fixture
def node() -> Iterator[NodeProcess]:
    """A node in a folder that everybody may enter, so that its own rights alone protect it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="cm") as folder:
        Path(folder).chmod(0o755)
        node = NodeProcess("office", Path(folder))
        yield node
        if node.process is not None and node.process.poll() is None:
            node.process.kill()
            node.process.wait()


def tries_of_nobody(node: NodeProcess, port: int) -> dict[str, Any]:
    """Return what each try of another user came to."""
    assert node.process is not None
    state = node.folder / "office-state"
    kept = [file for file in state.iterdir() if file.is_file()]
    assert {"identity.json", "http.json"} <= {file.name for file in kept}
    socket, files = control_socket_path(state), [node.config, *kept]
    arguments = [str(one) for one in (port, node.process.pid, socket, *files)]
    out = subprocess.run(
        [sys.executable, "-I", "-c", TRIES, *arguments],
        check=True,
        capture_output=True,
        timeout=60,
        cwd="/",
    ).stdout
    tried: dict[str, Any] = json.loads(out)
    return tried


@pytest.mark.skipif(
    os.getuid() != 0 or sys.platform != "linux", reason="only root starts programs of others"
)
def test_another_user_gets_nothing_of_a_node_that_runs(node: NodeProcess) -> None:
    port = free_port()
    node.configure(CONFIG.format(port=port))
    node.start()
    wait_for(lambda: "is up" in node.log, "the node is up")
    tried = tries_of_nobody(node, port)
    assert tried["socket"] == "PermissionError"
    assert set(tried["files"].values()) == {"PermissionError"}
    assert tried["environ"] == "PermissionError"
    assert "run" in tried["cmdline"]
    assert SECRET not in tried["cmdline"]
    assert (tried["metrics"], tried["health"]) == ("401", "200")
    assert node.end() == 0
