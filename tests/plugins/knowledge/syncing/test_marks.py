"""Whether a folder is the workspace that it was."""

from __future__ import annotations

import msgspec
import pytest

from clawmatrix_knowledge.syncing.marks import Mark, compared

KEPT = Mark("1", inode=7, counter=5, files=3)
HERE = Mark("1", inode=7)


@pytest.mark.parametrize(
    ("here", "kept", "inode", "counter", "files", "verdict"),
    [
        (HERE, KEPT, 7, 5, 3, "same"),
        (HERE, KEPT, 7, 6, 3, "same"),
        (HERE, KEPT, 7, 6, 0, "same"),  # emptied, and what is known of it says so
        (HERE, KEPT, 7, 4, 3, "joins"),  # put back to an earlier time
        (HERE, KEPT, 8, 5, 3, "joins"),  # copied
        (HERE, None, 7, 5, 3, "joins"),  # the node lost its state
        (None, None, 7, 0, 0, "joins"),  # new
        (None, KEPT, 7, 0, 3, "joins"),  # another tree in its place
        (Mark("2", inode=7), KEPT, 7, 5, 3, "joins"),
        (None, KEPT, 9, 0, 0, "emptied"),  # not mounted
        (Mark("2", inode=9), KEPT, 9, 1, 0, "emptied"),  # not mounted, and marked by others
        (HERE, KEPT, 9, 5, 0, "emptied"),  # not mounted, and marked with a copy of the mark
    ],
)
def test_a_folder_is_what_it_was_only_where_all_agrees(
    here: Mark | None, kept: Mark | None, inode: int, counter: int, files: int, verdict: str
) -> None:
    assert compared(here, kept, inode=inode, counter=counter, files=files) == verdict


def test_power_may_have_been_lost_where_it_was_not_closed_and_the_machine_started_again() -> None:
    kept = Mark("1", inode=7, boot="x")
    assert not kept.lost_power("x")
    assert kept.lost_power("y")
    assert msgspec.structs.replace(kept, boot="").lost_power("")
    assert not msgspec.structs.replace(kept, clean=True).lost_power("y")
