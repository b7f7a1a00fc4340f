"""Resources and prompts of a node's servers, read two hops away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.resources import permitted
from clawmatrix_mcp.resources.wire import RESULT
from clawmatrix_tool_proxy.api import ToolFailed
from tests.plugins.mcp.resources.nodes import code_of, relayed
from tests.plugins.mcp.resources.notes_server import PICTURE, PROMPTS, RESOURCES, TEMPLATES

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

OFFICE = "mesh://office/notes"


async def test_resources_are_listed_with_uris_of_the_mesh_and_all_else_as_it_is(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        found = await mesh.mesh.list_resources()
        first = {**RESOURCES[0], "uri": f"{OFFICE}/notes://home/One"}
        assert found[0] == {**first, "title": "The first note", "description": "A note."}
        assert [one["uri"] for one in found] == [
            f"{OFFICE}/notes://home/One",
            f"{OFFICE}/notes://home/my%20notes.txt",
            f"{OFFICE}/notes://home/%6Ddd",
            f"{OFFICE}/notes://secret/One",
            f"{OFFICE}/notes://home/picture",
        ]
        templates = await mesh.mesh.list_templates()
        assert templates == [
            {**one, "uriTemplate": f"{OFFICE}/{one['uriTemplate']}"} for one in TEMPLATES
        ]
        greet, odd = await mesh.mesh.list_prompts()
        said = [{**PROMPTS[0]["arguments"][0], "description": "Who."}]
        assert greet == {**PROMPTS[0], "name": "office__notes_greet", "arguments": said}
        assert odd["title"] == "An odd name"
        assert odd["name"].startswith("office__notes_a_b_c-")
        assert mesh.mesh.left_out == {}


async def test_contents_come_as_the_server_gave_them(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        found = await mesh.read("notes://home/picture")
        own = "notes://home/"
        assert found == {
            "contents": [
                {"uri": f"{OFFICE}/{own}picture", "mimeType": "image/png", "blob": PICTURE},
                {
                    "uri": f"{OFFICE}/{own}One",
                    "text": "beside it",
                    "_meta": {"vendor/kept": {"a": 1}},
                },
            ],
            "_meta": {"vendor/kept": "yes"},
        }
        large = await mesh.read("notes://home/large-200000")
        assert len(large["contents"][0]["text"]) == 200_000


SPELT = [
    ("notes://home/my%20notes.txt", "notes://home/my notes.txt"),  # as it is listed there
    ("NOTES://home/my notes.txt", "notes://home/my notes.txt"),
    ("notes://home/mdd", "notes://home/%6Ddd"),
    ("notes://home/%6ddd", "notes://home/%6Ddd"),
    ("notes://home/not%20listed%2fb?q=%C3%A4", "notes://home/not%20listed%2Fb?q=%C3%A4"),
]


async def test_a_uri_comes_back_to_what_the_server_calls_it(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        for asked, _ in SPELT:
            await mesh.read(asked)
        assert await mesh.seen() == [got for _, got in SPELT]


async def test_prompts_are_got_by_the_names_that_are_listed(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        greet, odd = await mesh.mesh.list_prompts()
        found = await mesh.mesh.get_prompt(greet["name"], {"who": "Ada"})
        assert found["messages"][0]["content"]["text"] == "Greet Ada."
        assert found["messages"][1]["content"]["resource"]["uri"] == "notes://home/One"
        assert found["_meta"] == {"vendor/kept": True}
        await mesh.mesh.get_prompt(odd["name"], {})
        assert await mesh.seen() == ["greet", "a/b c"]
        with pytest.raises(ToolFailed) as caught:
            await mesh.mesh.get_prompt("office__notes_none", {})
        assert caught.value.code == "unknown"


async def test_lists_have_what_is_exposed_and_granted_and_no_more(
    node_factory: NodeFactory,
) -> None:
    exposed = ["notes/notes://**", "notes/prompts/g*"]
    async with relayed(node_factory, exposed=exposed, denied=["notes/notes://secret"]) as mesh:
        uris = [one["uri"] for one in await mesh.mesh.list_resources()]
        assert not any("secret" in uri for uri in uris)
        assert len(uris) == 4
        assert [one["name"] for one in await mesh.mesh.list_prompts()] == ["office__notes_greet"]
        assert await code_of(mesh, f"{OFFICE}/notes://secret/One") == "not_allowed"
        assert await code_of(mesh, f"{OFFICE}/notes://%73ecret/One") == "not_allowed"
        assert await mesh.seen() == []


async def test_nothing_is_exposed_by_itself(node_factory: NodeFactory) -> None:
    async with relayed(node_factory, exposed=[]) as mesh:
        assert await mesh.mesh.list_resources() == []
        assert await mesh.mesh.list_prompts() == []
        assert await code_of(mesh, f"{OFFICE}/notes://home/One") == "not_allowed"


async def test_what_is_there_cannot_be_told_from_what_is_not(node_factory: NodeFactory) -> None:
    async with relayed(
        node_factory, "notes/notes://home", exposed=["notes/notes://home/**"]
    ) as mesh:
        for uri in ("notes/notes://secret/One", "none/notes://home/One", "notes/notes://x/y"):
            with pytest.raises(ToolFailed) as caught:
                await mesh.mesh.read(f"mesh://office/{uri}")
            assert (caught.value.code, caught.value.may_have_run) == ("not_allowed", False)
            assert str(caught.value) == "not allowed on this node"
        assert [(one.event, one.rule) for one in mesh.served.records] == [
            ("denied", "not exposed: [mcp] resources"),
            ("denied", "no server of that name is mounted"),
            ("denied", "not exposed: [mcp] resources"),
        ]
        assert await mesh.seen() == []


BAD = [
    f"{OFFICE}/notes://home/../secret/One",
    f"{OFFICE}/notes://home/%2e%2e/secret/One",
    f"{OFFICE}/notes://home/..%2Fsecret/One",
    f"{OFFICE}/notes://home/%252e%252e/secret/One",
    f"{OFFICE}/notes://home/x?path=../secret",
    f"{OFFICE}/notes://home/..\\secret",
    f"{OFFICE}/prompts/greet",
    f"{OFFICE}/",
    "notes://home/One",
    "mesh://office/notes",
    "mesh:///notes/notes://home/One",
    "http://office/notes/notes://home/One",
]


async def test_what_could_lead_elsewhere_is_no_uri(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        assert [await code_of(mesh, uri) for uri in BAD] == ["bad_uri"] * len(BAD)
        assert await mesh.seen() == []


async def test_a_uri_of_another_node_within_a_uri_is_the_servers_own(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory, nodes=["office", "relay"]) as mesh:
        inner = "mesh://relay/notes/notes://home/One"
        found = await mesh.read(inner)
        assert await mesh.seen() == [inner]
        assert found["contents"][0]["uri"] == f"{OFFICE}/{inner}"
        assert [record.peer for record in mesh.asked.records] == ["office"] * 2


async def test_nodes_that_are_not_seen_are_not_asked(node_factory: NodeFactory) -> None:
    async with relayed(node_factory, nodes=["relay"]) as mesh:
        assert await mesh.mesh.list_resources() == []
        assert await code_of(mesh, f"{OFFICE}/notes://home/One") == "unknown"
        assert mesh.served.records == mesh.asked.records == []


async def test_each_reading_has_its_lines_at_both_nodes(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        await mesh.read("notes://home/One")
        assert await code_of(mesh, f"{OFFICE}/notes://home/gone") == "mcp-32002"
        await mesh.mesh.get_prompt("office__notes_greet", {"who": "Ada"})
        one, gone, greet = (
            f"notes/{rest}" for rest in ("notes://home/One", "notes://home/gone", "prompts/greet")
        )
        lines = [
            (event, target, outcome if event == "end" else None)
            for target, outcome in ((one, "success"), (gone, "mcp-32002"), (greet, "success"))
            for event in ("begin", "end")
        ]
        assert mesh.served.told() == mesh.asked.told() == lines
        ids = [[record.id for record in notes.records] for notes in (mesh.served, mesh.asked)]
        assert ids[0] == ids[1]
        assert {record.action for record in mesh.served.records} == {"resource"}
        arguments = [record.arguments for record in mesh.served.records]
        assert arguments[0] == {"uri": "notes://home/One"}
        assert arguments[-1] == {"who": "Ada"}


@pytest.mark.faults_expected
async def test_where_it_cannot_be_written_down_nothing_is_read(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.broken.add("begin")
        assert await code_of(mesh, f"{OFFICE}/notes://home/One") == "not_allowed"
        mesh.served.broken.clear()
        mesh.asked.broken.add("begin")
        assert await code_of(mesh, f"{OFFICE}/notes://home/One") == "not_audited"
        assert await mesh.seen() == []


async def test_conditions_see_the_arguments_of_a_prompt(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        mesh.decider.only = lambda arguments: arguments.get("who") != "Eve"
        await mesh.mesh.get_prompt("office__notes_greet", {"who": "Ada"})
        with pytest.raises(ToolFailed) as caught:
            await mesh.mesh.get_prompt("office__notes_greet", {"who": "Eve"})
        assert caught.value.code == "not_allowed"
        assert await mesh.seen() == ["greet"]


async def test_a_withdrawn_grant_ends_a_reading(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        codes: list[str] = []

        async def read() -> None:
            with anyio.fail_after(5):
                codes.append(await code_of(mesh, f"{OFFICE}/notes://home/slow"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await wait_until_begun(mesh)
            mesh.decider.allowed = ("none/",)
            mesh.office.policy_changed("a test")
        assert codes == ["revoked"]
        assert mesh.served.told("end")[-1][2] == mesh.asked.told("end")[-1][2] == "revoked"
        await wait_until_cancelled(mesh)


async def wait_until_begun(mesh: Any) -> None:
    with anyio.fail_after(10):
        while "notes://home/slow" not in await mesh.seen():  # noqa: ASYNC110 - a process sees it
            await anyio.sleep(0.01)


async def wait_until_cancelled(mesh: Any) -> None:
    with anyio.fail_after(10):
        while "cancelled" not in await mesh.seen():  # noqa: ASYNC110 - a process sees it
            await anyio.sleep(0.01)


async def test_a_caller_that_leaves_stops_its_reading(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(mesh.read, "notes://home/slow")
            await wait_until_begun(mesh)
            tasks.cancel_scope.cancel()
        await wait_until_cancelled(mesh)
        await wait_until(lambda: mesh.served.told("end") != [])
        assert mesh.served.told("end")[-1][2] == mesh.asked.told("end")[-1][2] == "cancelled"


async def test_a_server_that_does_not_answer_is_given_up(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permitted, "TIME", 0.2)
    async with relayed(node_factory) as mesh:
        assert await code_of(mesh, f"{OFFICE}/notes://home/slow") == "deadline"


async def test_changes_reach_who_follows_and_who_is_granted_less(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        changes: list[int] = []
        assert len(await mesh.mesh.list_resources()) == 5
        end = mesh.mesh.when_changed(lambda: changes.append(1))
        await mesh.read("notes://home/change")
        await wait_until(lambda: bool(changes))
        found = [one["uri"] for one in await mesh.mesh.list_resources()]
        assert found[-1] == f"{OFFICE}/notes://home/new"
        changes.clear()
        mesh.decider.denied = ("notes/notes://home",)
        mesh.office.policy_changed("a test")
        await wait_until(lambda: bool(changes))
        [secret] = await mesh.mesh.list_resources()
        assert secret["uri"] == f"{OFFICE}/notes://secret/One"
        changes.clear()
        end()


async def test_own_clients_read_own_servers_by_the_same_grants(node_factory: NodeFactory) -> None:
    async with relayed(node_factory, "notes/notes://home") as mesh:
        own = mesh.plugins["office"].resources.mesh
        assert len(await own.list_resources()) == 4
        found = await own.read(f"{OFFICE}/notes://home/One")
        assert found["contents"][0]["text"] == "the text of notes://home/One"
        with pytest.raises(ToolFailed, match="not allowed"):
            await own.read(f"{OFFICE}/notes://secret/One")
        assert mesh.served.records[0].peer == "@local"


async def test_a_node_that_is_gone_is_named(node_factory: NodeFactory) -> None:
    async with relayed(node_factory, nodes=["office", "attic"]) as mesh:
        assert len(await mesh.mesh.list_resources()) == 5
        assert mesh.mesh.left_out == {"attic": "it is not reachable"}


@pytest.mark.bound("clawmatrix_mcp.resources.wire.RESULT")
async def test_what_is_too_large_is_an_error_and_never_half(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permitted, "RESULT", type(RESULT)(1000, "", fed_by="", when_full=""))
    async with relayed(node_factory) as mesh:
        assert await code_of(mesh, f"{OFFICE}/notes://home/large-2000") == "too_large"
        assert mesh.served.told("end")[-1][2] == "too_large"
