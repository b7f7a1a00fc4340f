"""What doctor says of introducers: whether their word counts, and what to do where it does not."""

from __future__ import annotations

from random import Random

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity, fingerprint
from clawmatrix_core.members.named_keys import NamedKeys
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_mesh.checks.introducers import look_at_introducers
from tests.plugins.mesh.conftest import make_node

HUB = NodeId("hub")
THE_HUB, OTHER = (Identity.generate(Random(word).randbytes) for word in ("hub", "other"))


def look(known: Identity | None, *, accepted: bool = False) -> tuple[str, str, str | None]:
    trust = TrustStore(MemoryState())
    if known is not None:
        trust.check(HUB, known.sign_public, proven=True, now=1.0)
    if accepted:
        trust.accept(HUB, fingerprint(THE_HUB.sign_public))
    named = NamedKeys.parse({"hub": THE_HUB.key_text})
    [one] = look_at_introducers(named, trust)
    return one.status, one.detail, one.advice


def test_an_introducer_that_only_linked_is_told_with_how_to_accept_it() -> None:
    status, detail, advice = look(THE_HUB)
    assert (status, "is linked, so its word does not count" in detail) == ("problem", True)
    shown = fingerprint(THE_HUB.sign_public)
    assert advice == f"compare it, and then: clawmatrix trust accept hub {shown}"


def test_an_introducer_with_another_key_than_named_is_told() -> None:
    status, detail, advice = look(OTHER)
    assert status == "problem"
    assert detail == "[mesh.introducers] names a key of hub that hub does not have"
    assert str(advice).endswith(f'write hub = "{OTHER.key_text}"')


def test_an_introducer_that_is_not_known_yet_and_one_that_counts() -> None:
    assert look(None)[:2] == ("warning", "the introducer hub is not known here yet")
    assert look(THE_HUB, accepted=True)[0] == "ok"


@pytest.mark.anyio
async def test_doctor_looks_at_them_while_the_node_runs() -> None:
    async with make_node("office", introducers={"hub": THE_HUB.key_text}) as node:
        [check] = [one for one in node.checks() if one.name == "mesh.introducers"]
        assert [one.status for one in await check.run()] == ["warning"]
