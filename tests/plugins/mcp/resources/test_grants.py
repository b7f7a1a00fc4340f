"""Resources under the grants of a node, with people who are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core import key_text
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_grants.plugin import GrantsPlugin
from tests.plugins.mcp.resources.nodes import code_of, relayed

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

HOME = Identity.generate()
ONE = "mesh://office/notes/notes://home/One"
SECRET = "mesh://office/notes/notes://secret/One"
GRANT = {
    "key": key_text(HOME.sign_public),
    "resources": ["notes/notes://home/**"],
    "rules": [
        {"kind": "resources", "ask": ["notes/notes://secret/*"]},
        {"kind": "resources", "allow": ["notes/prompts/greet"], "when": {"who": "Ada"}},
        {"kind": "resources", "deny": ["notes/notes://home/mdd"]},
    ],
}
TABLES = {"grants": {"home": GRANT}, "approvals": {"wait": "30s"}}


async def test_grants_of_resources_decide(node_factory: NodeFactory) -> None:
    plugins = [GrantsPlugin()]
    async with relayed(node_factory, more=plugins, tables=TABLES, identity=HOME) as mesh:
        listed = [one["uri"] for one in await mesh.mesh.list_resources()]
        assert listed == [
            f"mesh://office/notes/notes://{rest}"
            for rest in ("home/One", "home/my%20notes.txt", "secret/One", "home/picture")
        ]
        assert [one["name"] for one in await mesh.mesh.list_prompts()] == ["office__notes_greet"]
        await mesh.mesh.read(ONE)
        assert await code_of(mesh, "mesh://office/notes/notes://home/%6Ddd") == "not_allowed"
        assert await code_of(mesh, "mesh://office/notes/notes://other/One") == "not_allowed"
        await mesh.mesh.get_prompt("office__notes_greet", {"who": "Ada"})
        assert await mesh.seen() == ["notes://home/One", "greet"]


async def test_an_ask_waits_for_a_person_and_tells_so_meanwhile(node_factory: NodeFactory) -> None:
    plugins = [GrantsPlugin()]
    async with relayed(node_factory, more=plugins, tables=TABLES, identity=HOME) as mesh:
        told: list[str] = []

        async def report(words: str) -> None:
            told.append(words)

        async def allow() -> None:
            await wait_until(lambda: bool(told))
            assert await mesh.seen() == []
            [one] = (await call_control(mesh.office, "approvals.list"))["approvals"]
            assert "notes/notes://secret/One" in one["call"]
            await call_control(mesh.office, "approvals.allow", {"id": one["id"]})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(allow)
            found = await mesh.mesh.read(SECRET, report=report)
        assert found["contents"][0]["text"] == "the text of notes://secret/One"
        begin, end = (one for one in mesh.served.records if one.event in ("begin", "end"))
        assert begin.approval is not None
        assert (end.outcome, end.approval) == ("success", begin.approval)
