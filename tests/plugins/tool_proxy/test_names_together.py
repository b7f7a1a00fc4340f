"""Who gets a call, a list of tools and an approval: each way of being known, and each pretender."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.members.identity import Identity, fingerprint
from clawmatrix_core.members.succession import rotate
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_mesh.invite.token import Token
from tests.plugins.mesh.invite.inviting import Guest
from tests.plugins.mesh.members.test_introductions import LyingPlugin
from tests.plugins.mesh.members.test_squatter import CopiedWord
from tests.plugins.tool_proxy.together import (
    AT_ONCE,
    EVERYTHING,
    FALSE,
    GRANTED,
    HOME,
    HUB,
    NOTHING,
    THE_HUB,
    TRUE,
    Office,
    accept,
    got,
    make,
    named,
    office,
    reached,
    soon,
)

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

ANY_KEY = {"home": GRANTED}
"""A grant without a key."""


def under(key: Identity) -> dict[str, Any]:
    return {"home": {"key": key.key_text, **GRANTED}}


async def come_invited(found: Office, guest: Identity, name: str | None) -> None:
    told = await call_control(found.node, "invite.add", {"expires": 60.0, "name": name})
    await Guest("home", guest).join(Token.decode(told["token"]))


async def come_to_be_known(found: Office, caller: Node, way: str) -> None:
    """Have office know home's key in some way."""
    if way == "accepted":
        await accept(found.node, HOME, TRUE)
    elif way == "introduced":
        await accept(found.hub, HOME, TRUE)
        await accept(found.node, HUB, THE_HUB)
    await wait_until(lambda: found.known(TRUE) == way)
    await reached(found, caller)


@pytest.mark.parametrize("way", ["accepted", "invited", "introduced", "linked", "hearsay"])
async def test_each_way_of_being_known(way: str, tmp_path: Path) -> None:
    """A grant without a key counts for a key that is known surely; one with a key for that key."""
    async with office(tmp_path, ANY_KEY, introducers=named(hub=THE_HUB)) as found:
        if way == "invited":
            await come_invited(found, TRUE, "home")
        peers = [found.node if way == "linked" else found.hub]
        async with found.caller(TRUE, peers=peers) as home:
            await come_to_be_known(found, home, way)
            sure = way in ("accepted", "invited", "introduced")
            assert await got(found, home) == (EVERYTHING if sure else NOTHING)
            await found.grants(under(TRUE))
            assert await got(found, home) == EVERYTHING
            await found.grants(under(FALSE))
            assert await got(found, home) == NOTHING


async def squatter(found: Office, on: AsyncExitStack, of: Identity = FALSE) -> Node:
    """Return a member that goes by home's name, with the word of home's run, over the relay."""
    home = make("home", TRUE)
    word = CopiedWord(home.instance)
    node = await on.enter_async_context(found.caller(of, random_source=word))
    assert node.instance == home.instance
    await reached(found, node)
    return node


@pytest.mark.both_loops
async def test_a_squatter_with_the_word_of_homes_run_gets_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, ANY_KEY) as found, AsyncExitStack() as stack:
        node = await squatter(found, stack)
        assert found.known(FALSE) == "hearsay"
        for table in (ANY_KEY, under(TRUE), {"@homes": {"nodes": ["home"], **GRANTED}}):
            await found.grants(table)
            assert await got(found, node) == NOTHING
        await found.grants(under(FALSE))  # that is what it would need
        assert await got(found, node) == EVERYTHING


async def test_a_guest_that_calls_itself_home_gets_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, ANY_KEY) as found:
        await come_invited(found, FALSE, None)
        async with found.caller(FALSE) as guest:
            await reached(found, guest)
            assert found.known(FALSE) == "linked"
            assert await got(found, guest) == NOTHING
        assert found.lines("begin") == []


async def test_a_key_ground_for_homes_fingerprint_gets_nothing(tmp_path: Path) -> None:
    alike = fingerprint(TRUE.sign_public)[:2]
    keys = (Identity.generate(Random(f"ground {n}").randbytes) for n in count())
    ground = next(key for key in keys if fingerprint(key.sign_public).startswith(alike))
    async with office(tmp_path, under(TRUE)) as found, AsyncExitStack() as stack:
        node = await squatter(found, stack, ground)
        for shown in (alike, fingerprint(TRUE.sign_public)):
            about = {"node": "home", "fingerprint": shown}
            with pytest.raises(ExchangeFailure):
                await call_control(found.node, "trust.accept", about)
        for table in (under(TRUE), ANY_KEY):
            await found.grants(table)
            assert await got(found, node) == NOTHING


async def test_a_key_that_retired_gets_nothing_and_the_next_one_all(tmp_path: Path) -> None:
    state = MemoryState()
    state.write("identity", TRUE.to_json())
    async with office(tmp_path, under(TRUE)) as found:
        async with found.caller(None, state=state) as home:
            await reached(found, home)
            await accept(found.node, HOME, TRUE)
            assert await got(found, home) == EVERYTHING
        _, new = rotate(state, "home", 1)
        async with found.caller(None, state=state) as home:
            await wait_until(lambda: found.node.trust.keys(HOME)[:1] == (new.sign_public,))
            await reached(found, home)
            assert await got(found, home) == EVERYTHING
        thieves = {"thief": {"key": TRUE.key_text, **GRANTED}, **under(TRUE)}
        await found.grants(thieves)
        async with found.caller(TRUE, name="thief") as thief:  # home is not open to that key
            await reached(found, thief)
            assert await got(found, thief) == NOTHING


async def test_a_stale_list_of_an_introducer_gives_nobody_anything(tmp_path: Path) -> None:
    lies = LyingPlugin(9)
    introducers = named(hub=THE_HUB)
    async with (
        office(tmp_path, ANY_KEY, hub=(lies,), introducers=introducers) as found,
        AsyncExitStack() as stack,
    ):
        node = await squatter(found, stack)
        await accept(found.node, HUB, THE_HUB)
        await wait_until(lambda: lies.asked >= 1)
        lies.tell(8, home=FALSE)
        await wait_until(lambda: found.node.counters["old_introductions"] >= 2)
        assert found.known(FALSE) == "hearsay"
        assert await got(found, node) == NOTHING
        lies.tell(10, home=FALSE)  # that is what a dishonest introducer can do
        await wait_until(lambda: found.known(FALSE) == "introduced")
        assert await got(found, node) == EVERYTHING


async def test_a_squatter_has_nothing_left_once_the_real_home_is_accepted(tmp_path: Path) -> None:
    async with office(tmp_path, under(FALSE)) as found, AsyncExitStack() as stack:
        node = await squatter(found, stack)
        assert await got(found, node) == EVERYTHING  # a person erred, and mends that
        found.node.trust.check(HOME, TRUE.sign_public, proven=False, now=1.0)
        about = {"node": "home", "fingerprint": fingerprint(TRUE.sign_public)}
        await call_control(found.node, "trust.accept", about)
        await wait_until(lambda: not found.node.exchanges.live, limit=AT_ONCE)
        await soon(found.approves_nothing)
        began = len(found.shop.began)
        async with found.caller(TRUE, peers=[found.node]) as home:  # hub knows the squatter
            await found.grants(under(TRUE))
            await reached(found, home)
            assert await got(found, home) == EVERYTHING
        assert len(found.shop.began) == began + 1
