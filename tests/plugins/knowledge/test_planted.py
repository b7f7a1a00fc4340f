"""The tests of shared workspaces bite: each planted bug makes the tests named for it fail."""

from __future__ import annotations

import builtins
import inspect
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from automerge.core import ROOT, ObjType, ScalarType

from clawmatrix_knowledge.files import placing
from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.files.scanning import Seen
from clawmatrix_knowledge.files.watching import Watcher
from clawmatrix_knowledge.index import changes
from clawmatrix_knowledge.index.changes import FILES, read_change
from clawmatrix_knowledge.index.gate import Gate
from clawmatrix_knowledge.index.handle import Handler
from clawmatrix_knowledge.index.index import Index, IndexBroken, Refused
from clawmatrix_knowledge.index.numbers import MalformedError
from clawmatrix_knowledge.index.words import Added, Save, Saved
from clawmatrix_knowledge.merging import lines, resolve
from clawmatrix_knowledge.merging.names import conflict_path
from clawmatrix_knowledge.syncing.applying import Applier
from clawmatrix_knowledge.syncing.asides import Asides
from clawmatrix_knowledge.syncing.engine import Engine
from clawmatrix_knowledge.syncing.recording import Recorder
from tests.plugins.knowledge.files import test_placing, test_watching
from tests.plugins.knowledge.index import test_gate, test_index
from tests.plugins.knowledge.merging import test_lines, test_resolve
from tests.plugins.knowledge.syncing import test_workspace
from tests.tools.planted import Plant, fails, plant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from clawmatrix_knowledge.files.placing import Placing
    from clawmatrix_knowledge.files.port import Handle, Stat
    from clawmatrix_knowledge.files.watching import Noticed
    from clawmatrix_knowledge.index.words import Entry
    from clawmatrix_knowledge.syncing.applying import Applied
    from clawmatrix_knowledge.syncing.planning import Step
    from clawmatrix_knowledge.versions import Version, VersionId

pytestmark = [pytest.mark.anyio]


class Unsynced:
    """A handle of a file whose bytes are never put on the disk."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def sync(self) -> None:
        """Do nothing."""


def finish_unsynced(handle: Handle, what: Placing, honest: Any = placing._finished) -> Stat:
    """Put a file in its place whose bytes may not be on the disk."""
    found: Stat = honest(Unsynced(handle), what)
    return found


def append_unsynced(self: FilesShelf, name: str, data: bytes) -> None:
    """Say that the index is on the disk while it may not be."""
    files, names = self._files, (".clawmatrix", name)
    with files.open(names, "new" if files.stat(names) is None else "write") as handle:
        handle.write(handle.stat().size, data)


async def note_first(
    self: Applier, steps: Sequence[Step], applied: Applied, honest: Any = Applier._write
) -> None:
    """Note what files are to be before they are that."""
    for step in steps:
        if step.before is not None and step.version.content is not None:
            seen = Seen(step.version.id, step.version.content, step.before.stat, young=True)
            self._ground.local.put(step.path, seen)
    await self._ground.save()
    await honest(self, steps, applied)


def without_parents(
    self: Recorder,
    path: str,
    found: Any,
    parents: object,
    now: int,
    honest: Any = Recorder._version,
) -> Version:
    """Record an edit as if it came from nothing."""
    version: Version = honest(self, path, found, (), now)
    return version


def of_nothing(self: Recorder, path: str, now: int) -> None:
    """Record no deletion."""


async def one_actor(self: Index, honest: Any = Index._open_whole) -> None:
    """Write under the actor of the first change that is stored."""
    await honest(self)
    stored = self._store.read()
    if stored.changes:
        self._actor = read_change(stored.changes[0]).actor


def a_map_for_each_path(self: Handler, actor: bytes, entries: Sequence[Entry]) -> Added:
    """Put the versions of a path into a map of their own, of which two nodes make two."""
    before = self._document.get_heads()
    self._document.set_actor(actor)
    files = self._document.get(ROOT, FILES)
    assert files is not None
    with self._document.transaction() as transaction:
        for entry in entries:
            path, _, version = entry.key.partition("\0")
            known = self._document.get(files[1], path)
            inner = transaction.put_object(files[1], path, ObjType.Map) if not known else known[1]
            transaction.put(inner, version, ScalarType.Str, entry.text)
    (made,) = self._document.get_changes(before)
    self._gate.admit(read_change(made.raw_bytes))
    return Added(made.bytes, self._document.get_heads())


def sorted_by(name: str) -> Callable[..., list[Version]]:
    """Return a ``sorted`` that looks at what stands beside a version."""

    def by(some: Iterable[Version], key: object) -> list[Version]:
        return builtins.sorted(some, key=lambda one: (getattr(one, name), one.id))

    return by


def copy_by_author(version: Version) -> Version:
    """Call a conflict copy by who wrote it."""
    path = conflict_path(f"{version.path}.{version.author}", version.id)
    return attrs.evolve(version, path=path, parents=())


def check_known_parents(self: Gate, versions: Sequence[Version], before: int) -> None:
    """Take each parent that is known here for one that the change comes after."""
    here: dict[VersionId, str] = {}
    for version in versions:
        if self._is_before(version.id, before):
            raise MalformedError("a version is written a second time")
        for parent in version.parents:
            if here.get(parent, self._paths.get(parent)) != version.path:
                raise MalformedError("a version replaces one that is not known")
        here[version.id] = version.path


class Same(dict[int, bytes]):
    """Columns that equal all others."""

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None


class SameBytes(bytes):
    """Bytes that equal all others, with whatever is added to them."""

    def __add__(self, other: object) -> SameBytes:
        return self

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = bytes.__hash__


def columns_as_they_come(reader: Any, honest: Any = changes._columns) -> Same:
    """Read columns, and write them anew for nothing."""
    return Same(honest(reader))


async def take_unseen(self: Asides, path: str, aside: Any, *_: object) -> None:
    """Drop what was in the place of a file without a look."""
    if aside.stat.kind == "file":
        await self._ground.tree.discard(aside)


def notice_files(self: Watcher, some: Iterable[Any], honest: Any = Watcher._notice) -> Noticed:
    """Look at what was told of files, and at no new folder."""
    found: Noticed = honest(self, [one for one in some if not os.path.isdir(one[1])])
    return found


async def keep_untried(self: Index) -> None:
    """Keep a snapshot that nobody has loaded."""
    if self._store.wants_snapshot:
        saved = await self._ask(Save(), Saved)
        self._store.put_snapshot(saved.document)


def lay_out_once(
    base: Sequence[bytes], puts: Any, gone: Any, honest: Any = lines._laid_out
) -> Iterator[bytes]:
    """Leave out lines that are there already."""
    there: set[bytes] = set()
    for line in honest(base, puts, gone):
        if line not in there:
            there.add(line)
            yield line


def take_part_inward(self: Engine, path: str) -> bool:
    """Write what others send also where it is ignored."""
    return True


Check = partial[Any]

POWER = Check(test_placing.test_power_may_go_at_every_step, True)
CRASHES = Check(test_workspace.test_crashes_at_every_step_of_an_exchange_of_edits_lose_nothing)
RECORDED = Check(test_workspace.test_what_is_recorded_outlives_a_loss_of_power)
FOLLOW = Check(
    test_workspace.test_a_file_gets_to_the_other_node_and_its_edits_and_its_deletion_follow
)
PICTURES = Check(
    test_workspace.test_a_picture_edited_apart_is_kept_twice_and_a_deleted_copy_stays_away
)
PUT_BACK = Check(test_index.test_an_index_that_was_put_back_goes_on_with_another_history)
RESTART = Check(test_index.test_what_is_recorded_is_there_after_a_restart)
UNTRIED = Check(test_index.test_a_snapshot_that_does_not_read_as_it_should_replaces_nothing)
BESIDE = test_resolve.test_what_nodes_say_of_a_version_beside_it_makes_no_difference
ANCESTOR = Check(test_gate.test_a_version_has_to_replace_one_that_the_change_comes_after)
BYTES = Check(test_gate.test_two_changes_of_other_bytes_never_say_the_same)
BETWEEN = Check(test_workspace.test_an_edit_that_comes_as_its_file_is_replaced_is_an_edit, False)
FOLDERS = Check(test_watching.test_files_in_folders_just_made_are_all_found)
LINES = Check(
    test_lines.test_a_union_keeps_an_insertion_that_both_made_alike_once_and_equal_lines_in_others
)
IGNORED = Check(
    test_workspace.test_what_others_have_at_an_ignored_path_is_neither_written_nor_deleted
)


PLANTS = {
    "fsync of a file skipped": Plant(placing, "_finished", finish_unsynced, (POWER,)),
    "fsync of the index skipped": Plant(FilesShelf, "append", append_unsynced, (RECORDED,)),
    "state before data": Plant(Applier, "_write", note_first, (CRASHES,)),
    "tombstone ignored": Plant(Recorder, "of_gone", of_nothing, (FOLLOW, PICTURES)),
    "parent dropped": Plant(Recorder, "_version", without_parents, (PICTURES,)),
    "actor reused": Plant(Index, "_open_whole", one_actor, (PUT_BACK,)),
    "nested map": Plant(Handler, "_add", a_map_for_each_path, (RESTART, FOLLOW)),
    "wall-clock order": Plant(resolve, "sorted", sorted_by("time"), (Check(BESIDE, "lines"),)),
    "gate's ancestor rule off": Plant(Gate, "_check_versions", check_known_parents, (ANCESTOR,)),
    "re-encoding off": Plant(
        changes,
        "_columns",
        columns_as_they_come,
        (BYTES,),
        ((changes, "_head_of", lambda *_: SameBytes()),),
    ),
    "exchange not looked at": Plant(Asides, "take", take_unseen, (BETWEEN,)),
    "new folder not scanned": Plant(
        Watcher, "_notice", notice_files, (FOLDERS,), ((test_watching, "SECONDS", 3.0),)
    ),
    "snapshot not reloaded": Plant(Index, "_rest", keep_untried, (UNTRIED,)),
    "union by author": Plant(resolve, "sorted", sorted_by("author"), (Check(BESIDE, "union"),)),
    "lines deduplicated": Plant(lines, "_laid_out", lay_out_once, (LINES,)),
    "value metadata in a result": Plant(
        resolve, "copy_of", copy_by_author, (Check(BESIDE, "strict"),)
    ),
    "ignore checked outward only": Plant(Engine, "_takes_part", take_part_inward, (IGNORED,)),
}


@pytest.mark.parametrize("name", PLANTS)
async def test_a_planted_bug_is_caught(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(PLANTS[name], monkeypatch)
    for number, check in enumerate(PLANTS[name].caught_by):
        test = in_a_folder(check, tmp_path / str(number))
        assert await fails(test, IndexBroken, Refused)


def in_a_folder(check: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Return a test that has a folder of its own, if it wants one."""
    if "tmp_path" not in inspect.signature(check).parameters:
        return check
    folder.mkdir()
    return partial(check, tmp_path=folder)
