"""The tests of proven names bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.members import accepting
from clawmatrix_core.members.identity import fingerprint, key_text
from clawmatrix_core.members.known_keys import KnownKeys
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_mesh.invite.invitations import Invitations
from clawmatrix_mesh.members.introductions import Introductions
from tests.core.members import test_known, test_trust
from tests.plugins.mesh.invite import test_named_invite
from tests.plugins.mesh.members import test_introductions
from tests.tools.planted import fails

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.pins import Known, Pin
    from clawmatrix_mesh.invite.invitations import Invitation

pytestmark = pytest.mark.anyio


def take_earlier_keys(self: KnownKeys, node_id: NodeId, pin: Pin) -> Known:
    """Take a key for introduced where its record says that the introduced one came before it."""
    if self._introduced.get(node_id) in (pin.key, *pin.past) and pin.vouched is None:
        return "introduced"
    return pin.vouched or ("linked" if pin.state == "pinned" else "hearsay")


def follow_earlier_keys(self: KnownKeys, node_id: NodeId, old: str, new: str) -> bool:
    """Follow every change of key that a record tells of."""
    keys = [key_text(key) for key in self.keys(node_id)]
    return bool(keys) and keys[0] == new and old in keys


def know_by_name(self: KnownKeys, node_id: NodeId, key: str) -> Known:
    """Say how the name is known, whatever the key is."""
    entry = self.get(node_id)
    return "hearsay" if entry is None else entry.known


def count_by_name(self: Introductions, introducer: NodeId) -> bytes | None:
    """Count whoever has the name of an introducer."""
    entry = self._node.trust.get(introducer)
    return None if entry is None else entry.sign_public


def take_any_number(
    self: Introductions, introducer: NodeId, key: bytes, number: int, names: dict[NodeId, bytes]
) -> None:
    """Take each list, whatever its number."""
    self._held.pop(introducer, None)
    HONEST_TAKE(self, introducer, key, number, names)


HONEST_TAKE = Introductions.take


def pass_on_introductions(self: KnownKeys) -> dict[NodeId, bytes]:
    """Vouch for names that others introduced as well."""
    sure = ("accepted", "invited", "introduced")
    return {one.node_id: one.sign_public for one in self.entries() if one.known in sure}


def beat_links(self: TrustStore, node_id: NodeId, known: Pin | None) -> bytes | None:
    """Have an introduction take the place of whatever is known."""
    return self._introduced.get(node_id)


def come_with_any_name(self: Invitations, id_: str, node_id: str) -> Invitation:
    """Let whoever has the token in, under any name."""
    self.key(id_)
    return self._by_id[id_]


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: object
    caught_by: tuple[Callable[..., Any], ...]


PLANTS = {
    "earlier keys of a record satisfy a level": Plant(
        KnownKeys,
        "_level",
        take_earlier_keys,
        (test_known.test_the_earlier_keys_in_a_record_prove_nothing_of_its_present_one,),
    ),
    "each change of key in a record is followed": Plant(
        KnownKeys,
        "followed",
        follow_earlier_keys,
        (
            test_known.test_the_earlier_keys_in_a_record_prove_nothing_of_its_present_one,
            test_introductions.test_earlier_keys_that_a_record_claims_make_nobody_an_introducer,
        ),
    ),
    "every key of a name has the level of the name": Plant(
        KnownKeys,
        "how_known",
        know_by_name,
        (
            partial(test_known.test_each_way_holds_for_exactly_that_key, "accepted"),
            partial(
                test_known.test_another_key_is_never_known_by_what_its_name_is_known_by, "linked"
            ),
        ),
    ),
    "an introducer counts by its name": Plant(
        Introductions,
        "key_of",
        count_by_name,
        (
            test_introductions.test_a_node_that_only_has_an_introducers_name_counts_for_nothing,
            test_introductions.test_an_introducer_that_only_linked_counts_for_nothing,
        ),
    ),
    "a list of any number is taken": Plant(
        Introductions,
        "take",
        take_any_number,
        (
            partial(test_introductions.test_a_stale_list_changes_nothing_also_after_a_restart, 4),
            test_introductions.test_an_old_list_that_an_introducer_tells_again_changes_nothing,
        ),
    ),
    "introductions are passed on": Plant(
        KnownKeys,
        "vouched",
        pass_on_introductions,
        (test_introductions.test_a_node_vouches_for_accepted_and_invited_keys_and_no_others,),
    ),
    "an introduction beats a link": Plant(
        TrustStore,
        "_introduced_key",
        beat_links,
        (
            test_introductions.test_an_introducer_does_not_beat_a_squatter_that_linked,
            test_introductions.test_a_dishonest_introducer_takes_no_name_from_a_person_or_a_link,
        ),
    ),
    "four letters of a fingerprint are enough": Plant(
        accepting,
        "LETTERS_MIN",
        4,
        (
            partial(
                test_trust.test_a_part_of_a_fingerprint_that_a_key_can_be_ground_for_is_not_taken,
                lambda key: fingerprint(key)[:4],
            ),
        ),
    ),
    "a token made for a name is good for any": Plant(
        Invitations,
        "check",
        come_with_any_name,
        (test_named_invite.test_a_token_for_another_name_lets_nobody_in_and_is_not_used_up,),
    ),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
async def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for check in plant.caught_by:
        with monkeypatch.context() as planted:
            planted.setattr(plant.owner, plant.name, plant.bug)
            assert await fails(check), plant.name
