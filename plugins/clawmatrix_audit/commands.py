"""``clawmatrix audit``: whether the audit is whole, and what is in it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from clawmatrix_audit.folder import AuditFolder
from clawmatrix_audit.head import Head
from clawmatrix_audit.keys import AuditKeys, read_keys
from clawmatrix_audit.places import audit_path
from clawmatrix_audit.reading import read_pieces
from clawmatrix_audit.tailing import follow, line_text, newest
from clawmatrix_audit.verifying import Report, Witness, verify
from clawmatrix_core.cli import (
    CommandError,
    ControlError,
    ExitCode,
    NotRunning,
    Settings,
    call,
    echo_json,
    pass_settings,
    printable,
)
from clawmatrix_core.spi import StateView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clawmatrix_audit.line import Entry

__all__ = ["audit"]


@click.group(epilog="Example: clawmatrix audit tail")
def audit() -> None:
    """Show and check what was written down of the work for others."""


@audit.command("verify", epilog="Example: clawmatrix audit verify --with office")
@click.option("--with", "peer", metavar="NODE", help="Ask a node which heads it holds, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_settings
def verify_command(settings: Settings, peer: str | None, as_json: bool) -> int:
    """Look whether all lines of the audit are there, as they were written.

    Finds lines that were edited, taken out or moved. Another node that called this one holds
    signed heads: with it, an end that was cut off and a history that was written anew are
    found too. Exit code 12 where something is wrong.
    """
    state_dir = settings.locate().state_dir
    witnesses, notes = _witnesses(settings, peer)
    kept = read_keys(StateView(state_dir))
    with _opened(state_dir) as folder:
        report = _read(folder, kept, witnesses)
    report.notes += notes
    _show(report, as_json=as_json)
    return ExitCode.PROBLEMS if report.broken else ExitCode.OK


def _read(folder: AuditFolder, kept: AuditKeys | None, witnesses: list[Witness]) -> Report:
    """Read the whole audit; once more where the node has begun or dropped a file meanwhile."""
    while True:
        names = folder.names()
        report = verify(
            read_pieces(folder, names),
            key=None if kept is None else kept.key,
            chain=None if kept is None else kept.chain,
            witnesses=witnesses,
        )
        if names == folder.names():
            return report


def _witnesses(settings: Settings, peer: str | None) -> tuple[list[Witness], list[str]]:
    try:
        told = call(settings.config_file(), "audit.heads", {} if peer is None else {"node": peer})
    except (NotRunning, ControlError):
        if peer is not None:
            raise
        return [], ["the node does not run: whether the end was cut off, only other nodes know"]
    own = Head.decode(told["own"].encode())
    found = [Witness("the node that runs", own)] if own.n else []
    found += [Witness(str(peer), Head.decode(text.encode())) for text in told["held"]]
    notes = []
    if peer is not None:
        newest_held = max((witness.head.n for witness in found[1:]), default=None)
        words = "no head" if newest_held is None else f"heads up to line {newest_held}"
        notes.append(f"{peer} holds {words} of this node")
    if told["unsigned"]:
        notes.append(f"{peer} sent heads that this node did not sign: {told['unsigned']}")
    return found, notes


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        broken: list[dict[str, Any]] = [
            {"kind": found.kind, "words": found.words} for found in report.broken
        ]
        whole = not broken
        echo_json(
            {
                "whole": whole,
                "first": report.first,
                "last": report.last,
                "broken": broken,
                "notes": report.notes,
            }
        )
        return
    for found in report.broken:
        click.echo(printable(f"{found.kind}: {found.words}"))
    for note in report.notes:
        click.echo(printable(f"note: {note}"))
    span = f"lines {report.first} to {report.last}" if report.last else "no lines"
    click.echo(f"{span}: {'NOT as they were written' if report.broken else 'whole'}")


@audit.command(epilog="Example: clawmatrix audit tail --peer office --follow")
@click.option("-n", "--lines", type=click.IntRange(0, 100_000), default=20, show_default=True)
@click.option("--peer", metavar="NODE", help="Show what one node asked for, or was asked.")
@click.option("--follow", "follows", is_flag=True, help="Go on with new lines, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are in the files.")
@pass_settings
def tail(settings: Settings, lines: int, peer: str | None, follows: bool, as_json: bool) -> None:
    """Show the newest lines of the audit."""

    def show(entry: Entry) -> None:
        if peer is None or entry.fields.get("peer") == peer:
            click.echo(entry.raw.decode() if as_json else printable(line_text(entry)))

    with _opened(settings.locate().state_dir) as folder:
        shown, last = newest(folder, lines, peer)
        for entry in shown:
            show(entry)
        if follows:
            follow(folder, last, show, wait=_rest)


def _rest() -> None:
    time.sleep(0.2)  # between two looks at a file that another process writes


@contextmanager
def _opened(state_dir: Path) -> Iterator[AuditFolder]:
    """Open the folder of the audit. Raises: CommandError, StateError."""
    path = audit_path(state_dir)
    if not path.is_dir():
        raise CommandError(f"there is no audit yet: {path} comes with the first start of the node")
    try:
        with AuditFolder(path) as folder:
            yield folder
    except OSError as error:
        raise CommandError(f"the audit, {path}, cannot be read: {error.strerror}") from error
