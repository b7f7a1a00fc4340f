"""What the tests of the audit share: records, ledgers, and hands that change files."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_audit.folder import AuditFolder
from clawmatrix_audit.head import Head
from clawmatrix_audit.ledger import FILE, Ledger
from clawmatrix_audit.reading import read_entries, read_pieces
from clawmatrix_audit.verifying import Report, Witness, verify
from clawmatrix_core import AuditRecord, NodeId
from clawmatrix_core.members.identity import Identity, key_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clawmatrix_audit.line import Entry

__all__ = [
    "CHAIN",
    "DAY",
    "KEY",
    "Wall",
    "check",
    "entries",
    "files_of_at_most",
    "head_of",
    "kinds",
    "ledger_in",
    "record",
    "small_disk",
]

KEY = bytes(range(32))
CHAIN = "c" * 32
DAY = 86_400.0
PEER_KEY = key_text(bytes(32))


@attrs.define
class Wall:
    """A clock that a test turns."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def record(n: int = 1, event: str = "begin", **more: Any) -> AuditRecord:
    told: dict[str, Any] = {
        "event": event,
        "id": f"id{n}",
        "peer": NodeId("home"),
        "key": PEER_KEY,
        "action": "tool",
        "target": "bell",
        "arguments": {"loud": True},
        "rule": "grants.home.tools",
    }
    return AuditRecord(**(told | more))


@contextmanager
def ledger_in(
    path: Path, wall: Wall | None = None, *, limit: int = 1024**3, file_size: int = FILE
) -> Iterator[Ledger]:
    log = logging.getLogger("clawmatrix.audit")
    clock = wall or Wall()
    ledger = Ledger(AuditFolder(path), KEY, wall=clock, limit=limit, log=log, file_size=file_size)
    with ledger:
        yield ledger


def entries(path: Path) -> list[Entry]:
    with AuditFolder(path) as folder:
        return list(read_entries(folder, folder.names()))


def check(path: Path, *heads: Head) -> Report:
    with AuditFolder(path) as folder:
        return verify(
            read_pieces(folder, folder.names()),
            key=KEY,
            chain=CHAIN,
            witnesses=[Witness("home", head) for head in heads],
        )


def head_of(ledger: Ledger, identity: Identity | None = None, chain: str = CHAIN) -> Head:
    unsigned = Head(chain, NodeId("office"), ledger.n, ledger.digest, "2027-01-15T08:00:00.000Z")
    return unsigned.signed((identity or Identity.generate()).sign)


def kinds(report: Report) -> Sequence[str]:
    return [found.kind for found in report.broken]


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Leave 64 KiB of room below a folder: on a disk of its own for root, by a limit else."""
    folder.mkdir(mode=0o700)
    options = "size=64k,mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "clawmatrix-test", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    with files_of_at_most(65_536):
        yield


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Have no file of this process grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
