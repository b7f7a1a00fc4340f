"""What the doctor says of the workspaces: their folders, states, problems, peers and the index."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import anyio
import anyio.to_thread

from clawmatrix_core import Check, Finding
from clawmatrix_knowledge.config import KnowledgeConfig
from clawmatrix_knowledge.halting import halt_words
from clawmatrix_knowledge.index.process import child_command
from clawmatrix_knowledge.methods import shown
from clawmatrix_knowledge.names import TABLE
from clawmatrix_knowledge.shares import ANYBODY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from clawmatrix_core import JSON, Beside, Config
    from clawmatrix_knowledge.running import Workspaces
    from clawmatrix_knowledge.syncing.keeper import Keeper

__all__ = ["knowledge_checks", "warn_of_anybody"]

_INDEX: Final = "knowledge.index"
_SECONDS: Final = 15.0
"""How long the process of the index may take to start; a check as a whole may take 20 seconds."""
_ADVICE: Final = {
    "refused": "give it a folder of its own, on a disk that can link files, and start the node"
    " again",
    "waiting": "once that is mended it goes on by itself: it is tried again every five seconds",
    "emptied": "mount its disk, or put one file there; it then goes on by itself",
    "paused": "`clawmatrix sync resume --workspace {name}` lets it go on",
    "halted": "`clawmatrix sync reject-deletes --workspace {name}` brings the files back,"
    " `clawmatrix sync allow-deletes --workspace {name}` lets them go",
}


def knowledge_checks(
    config: Config, running: Workspaces | None, keepers: Mapping[str, Keeper], *, lives: bool
) -> list[Check]:
    """Return what looks at the workspaces of the table, none where it names none.

    Args:
        config: the configuration, with the table.
        running: what shares the workspaces of a node that runs.
        keepers: the workspaces of that node, by name.
        lives: whether a node runs.
    """
    table = config.section(KnowledgeConfig)
    if not table.workspaces:
        return []

    async def look() -> Sequence[Finding]:
        found: list[Finding] = []
        for name, workspace in table.workspaces.items():
            wrong = await anyio.to_thread.run_sync(_folder, name, workspace.path)
            if wrong is not None:
                found.append(wrong)
            elif lives:
                found += _live(name, running, keepers)
            else:
                found.append(Finding(TABLE, "ok", f"{name}: the folder {workspace.path} is there"))
        return found

    return [Check(TABLE, look), Check(_INDEX, partial(_index, table.index_python))]


def warn_of_anybody(
    table: KnowledgeConfig, beside: Beside
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the workspaces whose peers are all nodes; see ``ConfigSection.warn``."""
    for name, workspace in table.workspaces.items():
        if ANYBODY in workspace.peers:
            words = f'"{ANYBODY}" is whoever has the secret of the mesh: only [grants] holds back'
            yield ("workspaces", name, "peers"), words


def _folder(name: str, path: Path) -> Finding | None:
    """Return what is wrong with the folder of a workspace. Blocks."""
    place = f"`path` of [knowledge.workspaces.{name}]"
    may = partial(os.access, path, effective_ids=os.access in os.supports_effective_ids)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        wrong, advice = "is not there", f"make it, or mend {place}"
    except OSError as error:
        wrong, advice = f"cannot be looked at: {error.strerror}", f"mend that, or {place}"
    else:
        if is_folder and may(os.R_OK | os.W_OK | os.X_OK):
            return None
        wrong = "cannot be written" if is_folder else "is not a folder"
        advice = (
            f"let the user of the node write it, or mend {place}" if is_folder else f"mend {place}"
        )
    return Finding(TABLE, "problem", f"{name}: {path} {wrong}", advice)


def _live(
    name: str, running: Workspaces | None, keepers: Mapping[str, Keeper]
) -> Iterator[Finding]:
    """Yield what a node that runs knows of a workspace."""
    if running is None or name not in keepers:
        yield Finding(TABLE, "warning", f"{name}: is not shared yet", "start the node again")
        return
    told = shown(keepers[name], running.sharing)
    found = [*_state(told), *_problems(told), *_peers(told)]
    if not found:
        found = [Finding(TABLE, "ok", f"{name}: {told['state']}")]
    yield from found


def _state(told: JSON) -> Iterator[Finding]:
    name, state, why = told["name"], told["state"], told["why"]
    if (halt := told.get("halt")) is not None:
        why = halt_words(halt)
    words = f"{name}: {state}, {why}" if why else f"{name}: {state}"
    if state in _ADVICE:
        status: Literal["warning", "problem"] = "warning" if state == "paused" else "problem"
        yield Finding(TABLE, status, words, _ADVICE[state].format(name=name))
    elif why:
        yield Finding(TABLE, "warning", words)


def _problems(told: JSON) -> Iterator[Finding]:
    wrong = [one for one in told.get("problems", ()) if not one["is_note"]]
    if wrong:
        count = "1 problem" if len(wrong) == 1 else f"{len(wrong)} problems"
        words = f"{told['name']}: {count}: {wrong[0]['path']} {wrong[0]['reason']}"
        how = f"`clawmatrix sync status --workspace {told['name']}`"
        yield Finding(TABLE, "warning", words, f"{how} lists all")


def _peers(told: JSON) -> Iterator[Finding]:
    name = told["name"]
    for one in told["peers"]:
        words = f"{name}: {one['peer']} is {one['state']}: {one['why']}"
        if one["state"] == "stopped":
            how = f"`clawmatrix sync resume {one['peer']} --workspace {name}`"
            yield Finding(TABLE, "problem", words, f"once the reason is gone: {how}")
        elif one["state"] == "not allowed":
            yield Finding(TABLE, "warning", words)


async def _index(python: Path | None) -> Sequence[Finding]:
    """Start the process of the index as a workspace does, without anything to do."""
    command = child_command(None if python is None else [str(python)])
    words = ""
    try:
        with anyio.fail_after(_SECONDS):
            done = await anyio.run_process(command, stdin=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return [Finding(_INDEX, "ok", f"{command[0]} can keep the index")]
        words = (done.stderr.decode(errors="replace").strip().splitlines() or ["it failed"])[-1]
    except TimeoutError:
        words = f"it took more than {_SECONDS:.0f} s to start"
    except OSError as error:
        words = error.strerror or str(error)
    return [
        Finding(_INDEX, "problem", f"{command[0]} cannot keep the index: {words}", _mend(python))
    ]


def _mend(python: Path | None) -> str:
    """Return how this Python, or another one, gets to keep the index."""
    names = "`index_python` of [knowledge] has to name a Python 3.11 or 3.12 with automerge"
    if python is not None:
        return names
    if sys.version_info >= (3, 13):
        words = f"there is no automerge for Python 3.13 and newer: {names}"
    else:
        words = "install automerge for it: `pip install 'clawmatrix[knowledge]'`"
    return words
