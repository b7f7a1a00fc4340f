"""A grant that is withdrawn: what runs ends, the list of tools changes, and no approval is left."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.members.succession import rotate
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_grants.approvals.words import read_approval
from clawmatrix_tool_proxy.api import ToolFailed, call_tool
from tests.plugins.grants.helpers import Wall
from tests.plugins.tool_proxy.together import (
    AT_ONCE,
    EVERYTHING,
    GRANTED,
    HOME,
    TRUE,
    Office,
    accept,
    becomes,
    code_of,
    office,
    reached,
    soon,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

REFUSED = ("unreachable", "lost", "deadline")
"""What a call ends with that office hears nothing of."""
TABLE: dict[str, Any] = {"home": GRANTED}


@attrs.define
class Busy:
    """Office with a call of home's that runs, one that waits for an approval, and a list.

    ``ran`` and ``waited`` are the words that the two calls ended with.
    """

    office: Office
    home: Node
    state: MemoryState
    ran: str = ""
    waited: str = ""

    async def is_over(self) -> None:
        """Wait until office has nothing left of the calls, which has to be so at once."""
        await wait_until(lambda: bool(self.office.lines("end")), limit=AT_ONCE)
        await soon(self.office.approves_nothing)
        assert self.office.shop.stopped == 1
        [end] = self.office.lines("end")
        assert (end["target"], end["outcome"]) == ("wait", "revoked")
        assert str(end["rule"]).startswith("grants.home.")

    async def is_told(self) -> None:
        """Wait until home knows of both calls how they ended, which has to be so at once."""
        await wait_until(lambda: bool(self.ran and self.waited), limit=AT_ONCE)
        assert (self.ran, self.waited) == ("revoked", "not_allowed")

    async def call(self, tool: str) -> str:
        """Make a call without an end of its own, and return the word that it ends with."""
        try:
            async with call_tool(self.home, "office", tool) as call:
                await call.result()
        except ToolFailed as error:
            return error.code
        return "success"

    async def run(self) -> None:
        self.ran = await self.call("wait")

    async def wait(self) -> None:
        self.waited = await self.call("stream")


@asynccontextmanager
async def busy(
    folder: Path, table: Mapping[str, Any] = TABLE, clock: Clock | None = None
) -> AsyncIterator[Busy]:
    """Have home call, wait and follow; a person has accepted its key."""
    state = MemoryState()
    state.write("identity", TRUE.to_json())
    async with (
        office(folder, table, wait="60s", clock=clock) as found,
        found.caller(None, state=state) as home,
        anyio.create_task_group() as tasks,
    ):
        await reached(found, home)
        await accept(found.node, HOME, TRUE)
        made = Busy(found, home, state)
        tasks.start_soon(made.run)
        tasks.start_soon(made.wait)
        await found.shop.open.wait()
        await becomes(home, EVERYTHING.catalog)
        await waits_for_approval(found)
        assert found.lines("end") == []
        yield made
        tasks.cancel_scope.cancel()


async def waits_for_approval(found: Office) -> str:
    """Wait until one call waits, and return the word of its approval."""

    async def waits() -> bool:
        return bool(await found.approvals())

    await soon(waits)
    [one] = await found.approvals()
    assert (read_approval(one)["target"], one["state"]) == ("stream", "pending")
    return str(one["id"])


OTHER_TABLES: dict[str, Mapping[str, Any] | None] = {
    "other tools": {"home": {"tools": ["echo"]}},
    "a deny beside": {"home": {**GRANTED, "rules": [{"deny": ["wait", "stream"]}]}},
    "nobody": {},
    "no table": None,
}


@pytest.mark.parametrize("name", OTHER_TABLES)
async def test_a_reload_ends_all_that_the_table_gave(name: str, tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        await made.office.grants(OTHER_TABLES[name])
        await made.is_over()
        await made.is_told()
        await becomes(made.home, ("echo",) if OTHER_TABLES[name] else ())
        assert await code_of(made.home, "wait") == "not_allowed"


@pytest.mark.both_loops
async def test_a_rule_that_ends_ends_all_that_it_gave(tmp_path: Path) -> None:
    wall = Wall()
    until = datetime.fromtimestamp(wall.now + 5, UTC)
    rules = [{"allow": ["echo", "wait"], "until": until}, {"ask": ["stream"], "until": until}]
    async with busy(tmp_path, {"home": {"rules": rules}}, Clock(wall=wall)) as made:
        wall.now += 4.9
        await anyio.wait_all_tasks_blocked()
        assert (made.ran, made.waited) == ("", "")
        wall.now += 0.1
        await made.is_over()
        await made.is_told()
        await becomes(made.home, ())


@pytest.mark.both_loops
async def test_a_reload_that_changes_nothing_for_a_call_leaves_it(tmp_path: Path) -> None:
    more = {**TABLE, "lab": {"tools": ["echo"]}}
    async with busy(tmp_path) as made:
        [asked] = await made.office.approvals()
        await made.office.grants(more)
        await waits_for_another(made.office, asked["id"])  # a person allows it under a table
        assert (made.ran, made.waited, made.office.shop.stopped) == ("", "", 0)
        assert await code_of(made.home, "echo") == "success"
        await becomes(made.home, EVERYTHING.catalog)


async def waits_for_another(found: Office, before: str) -> None:
    async def is_another() -> bool:
        return await waits_for_approval(found) != before

    await soon(is_another)


async def test_an_approval_that_was_given_counts_under_its_own_table_alone(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, TABLE) as found, found.caller(TRUE) as home:
        await reached(found, home)
        await accept(found.node, HOME, TRUE)
        assert await code_of(home, "stream") == "approval_pending"
        await call_control(found.node, "approvals.allow", {"id": await waits_for_approval(found)})
        await found.grants({**TABLE, "lab": {"tools": ["echo"]}})
        assert await code_of(home, "stream") == "approval_pending"
        assert found.lines("begin") == []
        await call_control(found.node, "approvals.allow", {"id": await waits_for_approval(found)})
        assert await code_of(home, "stream") == "success"


async def test_a_tool_that_is_exposed_no_more_ends_and_is_not_approved(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        [asked] = await made.office.approvals()
        await made.office.exposes("echo")
        await wait_until(lambda: bool(made.ran), limit=AT_ONCE)
        assert (made.ran, made.office.shop.stopped) == ("revoked", 1)
        await call_control(made.office.node, "approvals.allow", {"id": asked["id"]})
        await wait_until(lambda: bool(made.waited), limit=AT_ONCE)
        assert made.waited == "not_allowed"
        assert [line["target"] for line in made.office.lines("begin")] == ["wait"]
        await becomes(made.home, ("echo",))


@pytest.mark.parametrize("how", ["forgotten", "revoked"])
async def test_without_its_key_nothing_is_left(how: str, tmp_path: Path) -> None:
    async with busy(tmp_path, {"home": {"key": TRUE.key_text, **GRANTED}}) as made:
        method = {"forgotten": "trust.forget", "revoked": "revoke.add"}[how]
        await call_control(made.office.node, method, {"node": "home"})
        await made.is_over()
        key = TRUE.sign_public
        live = made.office.node.exchanges.live  # home's list of tools was one of them
        await wait_until(lambda: not [one for one in live if one.sending.peer_key == key])
        if how == "revoked":
            assert await code_of(made.home, "wait", deadline=0.5) in REFUSED
            assert len(made.office.lines("begin")) == 1


async def test_a_rotated_key_ends_the_calls_of_the_one_before(tmp_path: Path) -> None:
    async with busy(tmp_path) as made:
        _, new = rotate(made.state, "home", 1)
        async with made.office.caller(None, state=made.state) as home:
            await wait_until(lambda: made.office.node.trust.keys(HOME)[0] == new.sign_public)
            await made.is_over()
            await reached(made.office, home)
            await becomes(home, EVERYTHING.catalog)
            assert await code_of(home, "echo") == "success"
