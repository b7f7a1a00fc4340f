"""What doctor says of introducers: whether their word counts, and what to do where it does not."""

from __future__ import annotations

from random import Random

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity, fingerprint
from tests.plugins.mesh.conftest import make_node

pytestmark = pytest.mark.anyio

HUB = NodeId("hub")
THE_HUB, OTHER = (Identity.generate(Random(word).randbytes) for word in ("hub", "other"))


async def look(known: Identity | None, *, accepted: bool = False) -> tuple[str, str, str | None]:
    """Return what doctor says of the one introducer, while the node runs."""
    async with make_node("office", introducers={"hub": THE_HUB.key_text}) as node:
        if known is not None:
            node.trust.check(HUB, known.sign_public, proven=True, now=1.0)
        if accepted:
            node.trust.accept(HUB, fingerprint(THE_HUB.sign_public))
        [check] = [one for one in node.checks() if one.name == "mesh.introducers"]
        [one] = await check.run()
        return one.status, one.detail, one.advice


async def test_an_introducer_that_only_linked_is_told_with_how_to_accept_it() -> None:
    status, detail, advice = await look(THE_HUB)
    assert (status, "is linked, so its word does not count" in detail) == ("problem", True)
    shown = fingerprint(THE_HUB.sign_public)
    assert advice == f"compare it, and then: clawmatrix trust accept hub {shown}"


async def test_an_introducer_with_another_key_than_named_is_told() -> None:
    status, detail, advice = await look(OTHER)
    assert status == "problem"
    assert detail == "[mesh.introducers] names a key of hub that hub does not have"
    assert str(advice).endswith(f'write hub = "{OTHER.key_text}"')


async def test_an_introducer_that_is_not_known_yet_and_one_that_counts() -> None:
    assert (await look(None))[:2] == ("warning", "the introducer hub is not known here yet")
    assert (await look(THE_HUB, accepted=True))[0] == "ok"
