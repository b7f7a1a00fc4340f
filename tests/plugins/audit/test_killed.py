"""A node that is killed in the middle of its work has lost no line that it was told is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_audit.folder import CURRENT, AuditFolder
from clawmatrix_audit.keys import read_keys
from clawmatrix_audit.plugin import AuditPlugin
from clawmatrix_audit.reading import read_pieces
from clawmatrix_audit.verifying import verify
from clawmatrix_core import StateFolder
from tests.plugins.audit.helpers import entries

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys
import anyio
import attrs
import clawmatrix_core as core
from clawmatrix_audit.plugin import AuditPlugin

async def work(node, task):
    for n in range(100_000):
        record = core.AuditRecord(
            event="begin", id=f"{task}-{n}", peer=core.NodeId("home"), key=None, action="tool",
            target="bell", arguments={"n": n},
        )
        await node.audit(record)
        print("begin", record.id, flush=True)
        await node.audit(attrs.evolve(record, event="end", outcome="success", duration=0.0))
        print("end", record.id, flush=True)

async def main():
    config = core.Config.from_mapping(
        {"node_id": "office", "secret": "s" * 40, "state_dir": sys.argv[1]}
    )
    async with core.Node(config, plugins=[AuditPlugin()]) as node:
        async with anyio.create_task_group() as tasks:
            for task in range(20):
                tasks.start_soon(work, node, task)

anyio.run(main)
"""


def killed(state: Path, after: int) -> list[tuple[str, str]]:
    """Kill a node after it has told of so many lines; return all of which it has told."""
    program = [sys.executable, "-c", PROGRAM, str(state)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(after)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    pairs = (line.split() for line in told if line.endswith("\n"))
    return [(event, id_) for event, id_ in pairs]


@pytest.mark.parametrize("after", [1, 150, 700])
async def test_no_line_is_lost_by_kill_9(
    after: int, tmp_path: Path, node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    told = killed(tmp_path, after)
    with (tmp_path / "audit" / CURRENT).open("ab") as file:
        file.write(b'{"n":')  # what a loss of power leaves
    config = {"state_dir": str(tmp_path)}
    with StateFolder(tmp_path) as state:
        node = node_factory(
            "office", built_in=[], plugins=[AuditPlugin()], config=config, state=state
        )
        async with node:
            pass
    found = entries(tmp_path / "audit")
    written = {(entry.event, str(entry.fields.get("id"))) for entry in found}
    assert {*told} <= written
    begun, ended = ({id_ for e, id_ in written if e == event} for event in ("begin", "end"))
    unfinished = {id_ for event, id_ in written if event == "unfinished"}
    assert unfinished == begun - ended
    assert ("repaired", "None") in written
    assert "5 bytes, from a crash" in caplog.text
    assert sum("has no end" in text for text in caplog.messages) == len(unfinished)
    with StateFolder(tmp_path) as state, AuditFolder(tmp_path / "audit") as folder:
        kept = read_keys(state)
        assert kept is not None
        pieces = read_pieces(folder, folder.names())
        report = verify(pieces, key=kept.key, chain=kept.chain, witnesses=[])
    assert (report.broken, report.notes) == ([], [])
