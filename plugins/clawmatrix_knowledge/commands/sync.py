"""``clawmatrix sync``."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import click

from clawmatrix_core.cli import (
    CommandError,
    ControlError,
    Settings,
    call,
    echo_json,
    pass_settings,
    printable,
)
from clawmatrix_knowledge.commands.making import add
from clawmatrix_knowledge.halting import halt_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

    from clawmatrix_core import JSON

__all__ = ["sync"]

_workspace = click.option(
    "--workspace", "-w", metavar="NAME", help="Which workspace; need not be given if it is one."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog="Example: clawmatrix sync status")
def sync() -> None:
    """Show and steer the workspaces that this node shares."""


sync.add_command(add)


@sync.command(epilog="Example: clawmatrix sync status")
@_workspace
@_json
@pass_settings
def status(settings: Settings, workspace: str | None, as_json: bool) -> None:
    """Show how the workspaces are: with whom they are shared, what is missing, what is wrong."""
    _show(_ask(settings, "status", workspace=workspace), as_json, _status_lines)


@sync.command(epilog="Example: clawmatrix sync conflicts --workspace notes")
@_workspace
@_json
@pass_settings
def conflicts(settings: Settings, workspace: str | None, as_json: bool) -> None:
    """List conflict copies, with who wrote them and when."""
    _show(_ask(settings, "conflicts", workspace=workspace), as_json, _conflict_lines)


@sync.command(epilog="Example: clawmatrix sync log daily/today.md")
@click.argument("path", required=False)
@_workspace
@_json
@pass_settings
def log(settings: Settings, path: str | None, workspace: str | None, as_json: bool) -> None:
    """List the versions of PATH, or of all files, the newest first."""
    found = _ask(settings, "log", workspace=workspace, path=path)
    _show(found, as_json, lambda entries: map(_version_line, entries))


@sync.command(epilog="Example: clawmatrix sync restore daily/today.md")
@click.argument("path")
@_workspace
@_json
@pass_settings
def restore(settings: Settings, path: str, workspace: str | None, as_json: bool) -> None:
    """Make a file what it was: PATH@VERSION, or PATH for what it was before its last change."""
    path, _, version = path.partition("@")
    found = _ask(settings, "restore", workspace=workspace, path=path, version=version or None)
    _show(found, as_json, lambda entry: [_version_line(entry)])


@sync.command(epilog="Example: clawmatrix sync deleted")
@_workspace
@_json
@pass_settings
def deleted(settings: Settings, workspace: str | None, as_json: bool) -> None:
    """List the files that were deleted; `restore PATH` brings one back."""
    found = _ask(settings, "deleted", workspace=workspace)
    _show(found, as_json, lambda entries: map(_version_line, entries))


@sync.command(epilog="Example: clawmatrix sync revert")
@_workspace
@_json
@pass_settings
def revert(settings: Settings, workspace: str | None, as_json: bool) -> None:
    """Replace the edits made in a workspace that only receives; they stay in its history."""
    _show(_ask(settings, "revert", workspace=workspace), as_json, list)


@sync.command(epilog="Example: clawmatrix sync export notes.automerge")
@click.argument("file", type=click.File("wb"))
@_workspace
@pass_settings
def export(settings: Settings, file: IO[bytes], workspace: str | None) -> None:
    """Write the index of a workspace to FILE, as an Automerge document."""
    file.write(base64.b64decode(_ask(settings, "export", workspace=workspace)))


@sync.command(epilog="Example: clawmatrix sync pause")
@_workspace
@pass_settings
def pause(settings: Settings, workspace: str | None) -> None:
    """Let a workspace rest, over restarts too."""
    _ask(settings, "pause", workspace=workspace)


@sync.command(epilog="Example: clawmatrix sync resume office")
@click.argument("peer", required=False)
@_workspace
@pass_settings
def resume(settings: Settings, peer: str | None, workspace: str | None) -> None:
    """Let a workspace go on, or share it again with PEER, which was stopped."""
    _ask(settings, "resume", workspace=workspace, peer=peer)


@sync.command(epilog="Example: clawmatrix sync rescan")
@_workspace
@pass_settings
def rescan(settings: Settings, workspace: str | None) -> None:
    """Look at all files now."""
    _ask(settings, "rescan", workspace=workspace)


@sync.command("allow-deletes", epilog="Example: clawmatrix sync allow-deletes")
@_workspace
@pass_settings
def allow_deletes(settings: Settings, workspace: str | None) -> None:
    """Let the deletions be for which a workspace halted."""
    _ask(settings, "allow-deletes", workspace=workspace)


@sync.command("reject-deletes", epilog="Example: clawmatrix sync reject-deletes")
@_workspace
@pass_settings
def reject_deletes(settings: Settings, workspace: str | None) -> None:
    """Bring back the files for whose deletion a workspace halted."""
    _ask(settings, "reject-deletes", workspace=workspace)


def _ask(settings: Settings, method: str, **params: JSON) -> JSON:
    given = {name: value for name, value in params.items() if value is not None}
    try:
        return call(settings.config_file(), f"sync.{method}", given)
    except ControlError as error:
        raise CommandError(str(error)) from None


def _show(found: JSON, as_json: bool, lines: Callable[[JSON], Iterable[str]]) -> None:
    if as_json:
        echo_json(found)
        return
    for line in lines(found):
        click.echo(printable(line))


def _status_lines(found: JSON) -> Iterable[str]:
    for one in found:
        yield f"{one['name']}  {one['state']}  {one['path']}"
        if one["why"]:
            yield f"    {one['why']}"
        if "files" in one:
            yield f"    {one['files']} files, {one['versions']} versions"
            if one["last"]:
                yield f"    {_last_line(one['last'])}"
            missing = one["missing"]
            if missing["files"]:
                yield f"    {missing['files']} to come, {missing['bytes']} bytes"
            if one["halt"]:
                yield from _halt_lines(one["halt"])
            for problem in one["problems"]:
                yield f"    {problem['path']}: {problem['reason']}"
        for peer in one["peers"]:
            yield f"    {peer['peer']}: {peer['state']} {peer['why']}".rstrip()


def _last_line(last: JSON) -> str:
    more = f" and {last['files'] - 1} more" if last["files"] > 1 else ""
    return f"last change {_local_time(last['time'])} by {last['peer']}: {last['path']}{more}"


def _halt_lines(halt: JSON) -> Iterable[str]:
    yield f"    {halt_words(halt)}"
    yield "    say `clawmatrix sync allow-deletes` or `clawmatrix sync reject-deletes`"


def _conflict_lines(found: JSON) -> Iterable[str]:
    for one in found:
        yield one["path"]
        for version in one["versions"]:
            yield f"    {_version_line(version)}"


def _version_line(version: JSON) -> str:
    when = _local_time(version["time"])
    what = "deleted" if version["kind"] == "deleted" else f"{version['size']} bytes"
    return f"{version['id'][:12]}  {when}  {version['author']}  {version['path']}  {what}"


def _local_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
