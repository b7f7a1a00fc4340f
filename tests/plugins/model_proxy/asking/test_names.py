"""What the first part of an id means at a node, and what of it outlives a restart."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.revocation import Revocation, SignedRevocation
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_model_proxy.asking.catalog import ServedModel
from clawmatrix_model_proxy.asking.claims import CLAIMS_BY_ONE, CLAIMS_MOST
from clawmatrix_model_proxy.asking.names import REVOKED_MOST, STATE, NodeNames, fold
from tests.core.members.members import Member
from tests.plugins.model_proxy.asking.asking import ALONE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

HOME, HUB, OFFICE, MALLORY = (NodeId(name) for name in ("home", "hub", "office", "mallory"))
HUB_S = Member("hub")


@attrs.define
class Place:
    """A node without neighbours, and what it knows of names."""

    node: Node
    names: NodeNames

    def offer(self, *ids: str, by: NodeId = HUB) -> None:
        """Have a node offer ids, and no others offer any."""
        self.names.look(self.node.clock.now())
        self.names.claim([ServedModel(by, id_) for id_ in ids])

    def hear(self, name: str, *, proven: bool = False) -> Member:
        """Have a node heard of, with a key of its own."""
        member = Member(name)
        self.node.accept_record(member.signed(instance="run1"), proven=proven)
        return member

    def means(self, part: str) -> str | None:
        """Return what a first part means."""
        self.names.look(self.node.clock.now())
        return self.names.node_of(part)


@pytest.fixture
def states() -> dict[str, MemoryState]:
    """Return the state that places of a test share."""
    return {"home": MemoryState()}


Placing = Callable[..., AbstractAsyncContextManager[Place]]


@pytest.fixture
def place(node_factory: NodeFactory, states: dict[str, MemoryState]) -> Placing:
    """Return what runs home, each time with what it kept; hub has proved itself."""

    @asynccontextmanager
    async def run(**table: Any) -> AsyncIterator[Place]:
        config = {"model-proxy": table}
        node = node_factory("home", built_in=ALONE, config=config, state=states["home"])
        async with node:
            found = Place(node, NodeNames(node))
            found.hear("hub", proven=True)
            yield found
        # Behind what the node's own plugin has written.
        states["home"].write(STATE, found.names.to_state())

    return run


async def test_a_name_never_heard_of_is_none(place: Placing) -> None:
    async with place() as here:
        assert here.means("meta-llama") is None
        assert here.means("") is None
        assert here.means("x" * 10_000) is None
        assert here.means("home") == "home"


@pytest.mark.parametrize("proven", [True, False])
async def test_a_node_that_was_heard_of_has_its_name_also_after_a_restart(
    place: Placing, proven: bool
) -> None:
    async with place() as here:
        here.hear("office", proven=proven)
        assert here.means("office") == "office"
        here.node.directory.forget(OFFICE)
        assert here.means("office") == "office"
    async with place() as here:
        assert here.means("office") == "office"
        here.offer("office/qwen3")
        assert here.means("office") == "office"


async def test_gossip_does_not_take_a_publisher_away_from_ids_that_were_there_first(
    place: Placing,
) -> None:
    async with place() as here:
        here.offer("meta-llama/Llama-3")
        here.hear("meta-llama")
        assert here.means("meta-llama") is None
        here.hear("Meta-Llama", proven=True)
        assert here.means("meta-llama") is None
    async with place() as here:
        assert here.means("meta-llama") is None
        here.offer("meta-llama/Llama-3")
        assert here.means("meta-llama") is None


async def test_ids_that_were_there_first_do_not_take_a_name_away_from_a_node_that_proves_itself(
    place: Placing,
) -> None:
    async with place() as here:
        here.hear("mallory", proven=True)
        here.offer("late/qwen3", by=MALLORY)
        assert here.means("late") is None
        here.hear("late", proven=True)
        assert here.means("late") == "late"
    async with place() as here:
        here.offer("late/qwen3", by=MALLORY)
        assert here.means("late") == "late"


async def test_what_a_member_offers_before_it_proves_itself_counts_from_then_on(
    place: Placing,
) -> None:
    async with place() as here:
        here.hear("lab")
        here.offer("meta-llama/Llama-3", by=NodeId("lab"))
        here.hear("meta-llama")
        assert here.means("meta-llama") == "meta-llama"
        here.hear("lab", proven=True)
        assert here.means("meta-llama") is None


async def test_a_claim_of_gossip_gives_way_to_one_of_a_member(place: Placing) -> None:
    async with place() as here:
        here.hear("ghost")
        here.offer("meta-llama/Llama-3", by=NodeId("ghost"))
        here.hear("meta-llama")
        here.offer("meta-llama/Llama-3")
        assert here.means("meta-llama") is None


async def test_first_parts_that_only_gossip_offers_give_way_to_a_members(place: Placing) -> None:
    async with place() as here:
        names = [f"ghost{number}" for number in range(CLAIMS_MOST // CLAIMS_BY_ONE)]
        made_up = []
        for name in names:
            here.hear(name)
            made_up += [
                ServedModel(NodeId(name), f"{name}-{number}/x") for number in range(CLAIMS_BY_ONE)
            ]
        here.names.claim(made_up)
        here.names.claim([*made_up, ServedModel(HUB, "meta-llama/Llama-3")])
        here.hear("meta-llama")
        assert here.means("meta-llama") is None


async def test_a_member_that_never_proved_itself_is_first_with_nothing(place: Placing) -> None:
    async with place() as here:
        here.hear("mallory")
        here.offer("late/qwen3", by=MALLORY)
        here.hear("late")
        assert here.means("late") == "late"


async def test_an_own_id_that_was_there_first_stays_whoever_takes_the_name(place: Placing) -> None:
    llama = "meta-llama"
    async with place() as here:
        here.hear(llama)  # gossip alone keeps no own id from being asked
        here.offer("meta-llama/Llama-3", by=HOME)
        assert here.means(llama) is None
        here.hear(llama, proven=True)
        assert here.means(llama) == llama
        assert (here.names.keeps(llama, HOME), here.names.keeps(llama, HUB)) == (True, False)
    async with place() as here:
        here.offer("meta-llama/Llama-3", by=HOME)
        assert here.names.keeps(llama, HOME)
        here.offer("else", by=HOME)
        assert not here.names.keeps(llama, HOME)


async def test_an_own_id_that_comes_later_than_the_node_leaves_it_its_name(place: Placing) -> None:
    async with place() as here:
        here.hear("office", proven=True)
        here.offer("office/qwen3", by=HOME)
        assert here.means("office") == "office"
        assert not here.names.keeps("office", HOME)


async def test_ids_of_the_nodes_that_get_prompts_stay_whoever_takes_the_name(
    place: Placing,
) -> None:
    llama = "meta-llama"
    async with place(nodes=["hub"]) as here:
        here.offer("meta-llama/Llama-3")
        here.hear(llama, proven=True)
        assert here.names.keeps(llama, HUB)
        assert not here.names.keeps(llama, MALLORY)
    async with place() as here:
        here.offer("meta-llama/Llama-3")
        assert not here.names.keeps(llama, HUB)
        assert here.means("hub") == "hub"
    async with place(nodes=[llama, "hub"]) as here:
        here.offer("meta-llama/Llama-3")
        assert not here.names.keeps(llama, HUB)


async def test_a_name_that_ever_stood_in_nodes_is_a_nodes(place: Placing) -> None:
    async with place(nodes=["never-heard"]) as here:
        here.offer("never-heard/qwen3")
        assert here.means("never-heard") == "never-heard"
    async with place() as here:
        here.offer("never-heard/qwen3")
        assert here.means("never-heard") == "never-heard"


async def test_a_publisher_of_the_configuration_is_never_a_node(place: Placing) -> None:
    async with place(publishers=["meta-llama"]) as here:
        here.hear("meta-llama", proven=True)
        assert here.means("meta-llama") is None
        assert here.means("Meta-Llama") is None
    async with place() as here:
        assert here.means("meta-llama") == "meta-llama"


async def test_a_revoked_nodes_name_stays_its_own_when_that_is_undone_and_after_a_restart(
    place: Placing,
) -> None:
    async with place() as here:
        key = Member("office").identity.sign_public
        here.node.revocations.make("office", key)
        assert here.means("office") == "office"
        assert here.names.is_revoked(OFFICE)
        here.offer("office/qwen3")
        here.node.revocations.make("office", key, revoked=False)
        assert here.means("office") == "office"
        assert not here.names.is_revoked(OFFICE)
    async with place() as here:
        here.offer("office/qwen3")
        assert here.means("office") == "office"


async def test_a_revocation_that_nobody_vouches_for_takes_no_publishers_name(
    place: Placing,
) -> None:
    for number, author in enumerate((Member("meta-llama"), Member("hub"))):
        async with place() as here:
            key = Member("meta-llama", life=number + 1).identity.sign_public
            here.offer("meta-llama/Llama-3")
            by, said_by = author.identity, str(author.name)
            said = Revocation("meta-llama", key, said_by, by.sign_public, 1, True, "")
            here.node.revocations.accept(SignedRevocation.make(said, by))
            assert here.means("meta-llama") is None


async def test_a_revocation_by_another_member_makes_a_name_where_it_comes_before_the_ids(
    place: Placing,
) -> None:
    hub = Member("hub").identity
    key = Member("office").identity.sign_public
    async with place() as here:
        said = Revocation("office", key, "hub", hub.sign_public, 1, True, "")
        here.node.revocations.accept(SignedRevocation.make(said, hub))
        here.node.revocations.flush()
        here.offer("office/qwen3")
        assert here.means("office") == "office"
    async with place() as here:
        here.offer("office/qwen3")
        assert here.means("office") == "office"
        assert here.names.is_revoked(OFFICE)


async def test_a_claim_of_a_revoked_member_is_over(place: Placing) -> None:
    async with place() as here:
        mallory = here.hear("mallory", proven=True)
        here.offer("late/qwen3", by=MALLORY)
        here.hear("late")
        assert here.means("late") is None
        here.node.revocations.make("mallory", mallory.identity.sign_public)
        here.offer()
        assert here.means("late") == "late"


@pytest.mark.bound("clawmatrix_model_proxy.asking.names.REVOKED_MOST")
async def test_revoked_names_are_bounded(place: Placing, states: dict[str, MemoryState]) -> None:
    names = [f"n{number}" for number in range(REVOKED_MOST)]
    states["home"].write(STATE, {"claims": {}, "listed": [], "revoked": names})
    async with place() as here:
        assert here.means("n0") == "n0"
        here.node.revocations.make("office", Member("office").identity.sign_public)
        assert here.means("office") == "office"
        assert here.means("n0") is None
        kept = here.names.to_state()["revoked"]
        assert isinstance(kept, list)
        assert len(kept) == REVOKED_MOST


async def test_a_forgotten_nodes_name_stays_its_own(place: Placing) -> None:
    async with place() as here:
        here.hear("office", proven=True)
        here.node.trust.forget(OFFICE)
        here.node.directory.forget(OFFICE)
        here.offer("office/qwen3")
        assert here.means("office") == "office"
        assert here.means("Office") == "office"
    async with place() as here:
        here.offer("office/qwen3")
        assert here.means("office") == "office"
        before = here.names.seniority(OFFICE)
        here.hear("office", proven=True)
        assert here.means("office") == "office"
        assert here.names.seniority(OFFICE) < before


async def test_hearsay_that_a_person_forgot_is_no_name_any_more(place: Placing) -> None:
    async with place() as here:
        here.hear("meta-llama")
        here.node.trust.forget(NodeId("meta-llama"))
        here.node.directory.forget(NodeId("meta-llama"))
        assert here.means("meta-llama") is None


@pytest.mark.parametrize("part", ["Office", "OFFICE", "office ", "\uff4fffice"])
async def test_a_part_that_looks_like_a_name_means_that_node(place: Placing, part: str) -> None:
    async with place() as here:
        assert here.means(part) is None
        here.hear("office")
        here.offer(f"{part}/qwen3")
        assert here.means(part) == "office"


async def test_two_nodes_that_differ_in_case_have_their_own_names(place: Placing) -> None:
    async with place() as here:
        for name in ("office", "Office", "my-office"):
            here.hear(name)
        for name in ("office", "Office", "my-office"):
            assert here.means(name) == name
        assert here.means("my") is None


async def test_the_order_is_this_node_then_by_the_first_proof_then_by_the_first_word(
    place: Placing,
) -> None:
    async with place() as here:
        here.hear("hearsay")
        for name in ("zoe", "Aaa"):
            await anyio.sleep(0.002)  # the wall clock goes on
            here.hear(name, proven=True)
        await anyio.sleep(0.002)
        here.hear("aardvark")
        names = [NodeId(n) for n in ("Aaa", "aardvark", "hearsay", "home", "unheard", "zoe", "hub")]
        order = ["home", "hub", "zoe", "Aaa", "hearsay", "aardvark", "unheard"]
        assert sorted(names, key=here.names.seniority) == order
    async with place() as here:
        assert sorted(names, key=here.names.seniority) == order


async def test_the_mark_moves_where_an_answer_may_have_changed(place: Placing) -> None:
    async with place() as here:
        marks = [here.names.mark]
        here.hear("office")
        marks.append(here.names.mark)
        here.offer("org/x", by=HOME)
        marks.append(here.names.mark)
        here.offer("org/x", by=HOME)
        assert here.names.mark == marks[-1]
        here.node.revocations.make("lab", Member("lab").identity.sign_public)
        here.names.look(here.node.clock.now())
        marks.append(here.names.mark)
        assert len(set(marks)) == len(marks)


async def test_a_damaged_file_is_an_error_that_names_it(
    node_factory: NodeFactory, states: dict[str, MemoryState]
) -> None:
    states["home"].write(STATE, {"claims": []})
    async with node_factory("home", built_in=("mesh",), state=states["home"]) as node:
        with pytest.raises(StateError, match=STATE):
            NodeNames(node)


def test_folding_is_of_case_and_width() -> None:
    assert fold(" \uff2fFFICE ") == "office"
