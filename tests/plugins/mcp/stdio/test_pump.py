"""The pump before a server of the official SDK, in both eras of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.cli import NotRunning
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.stdio.place import Target
from tests.plugins.mcp.stdio.pumping import (
    MODERN,
    TOKEN,
    checked,
    machine_and_client,
    pumping,
    serving,
)
from tests.plugins.mcp.stdio.sdk_server import Machine, sdk_server

if TYPE_CHECKING:
    from tests.plugins.mcp.stdio.pumping import Client

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]
ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])


async def begin(client: Client, modern: bool) -> dict[str, Any]:
    """Begin as a client of an era does; return what its requests carry in ``_meta``."""
    if modern:
        answer = await client.ask_modern("server/discover")
        assert "2026-07-28" in answer["result"]["supportedVersions"]
        return dict(MODERN)
    answer = await client.initialize()
    assert answer["result"]["protocolVersion"] == "2025-11-25"
    return {}


def text_of(answer: Any) -> str:
    assert "result" in answer, answer
    return str(answer["result"]["content"][0]["text"])


@ERAS
async def test_tools_are_listed_and_called(modern: bool) -> None:
    async with machine_and_client(Machine()) as client:
        meta = await begin(client, modern)
        listed = await client.ask("tools/list", {"_meta": meta}, "a")
        assert listed["id"] == "a"
        assert [tool["name"] for tool in listed["result"]["tools"]] == [
            "echo",
            "wait",
            "räum auf",
        ]
        for name in ("echo", "räum auf"):
            answer = await client.ask("tools/call", {"name": name, "_meta": meta}, 7)
            assert (answer["id"], text_of(answer)) == (7, name)
        lines = {"text": "two\nlines\u2028and\r\nmore"}
        called = {"name": "echo", "arguments": lines, "_meta": meta}
        assert text_of(await client.ask("tools/call", called)) == lines["text"]


@ERAS
async def test_progress_arrives_and_a_cancelled_call_ends(modern: bool) -> None:
    machine = Machine()
    async with machine_and_client(machine) as client:
        meta = await begin(client, modern)
        progress = await client.ask(
            "tools/call", {"name": "wait", "_meta": {**meta, "progressToken": 5}}, "w"
        )
        assert progress["method"] == "notifications/progress"
        assert progress["params"] == {
            "progressToken": 5,
            "progress": 1,
            "total": 2,
            "message": "half",
        }
        client.send({"method": "notifications/cancelled", "params": {"requestId": "w"}})
        await wait_until(lambda: machine.cancelled == 1)
        answer = await client.ask("tools/call", {"name": "echo", "_meta": meta}, 8)
        while answer.get("id") == "w":  # a server may say that it has stopped
            assert "error" in answer
            answer = await client.receive()
        assert text_of(answer) == "echo"
        assert not client.told


@ERAS
async def test_a_cancel_that_comes_at_once_is_not_lost(modern: bool) -> None:
    machine = Machine()
    async with machine_and_client(machine) as client:
        meta = await begin(client, modern)
        for id_ in range(10, 20):
            params = {"name": "wait", "_meta": meta}
            client.send({"id": id_, "method": "tools/call", "params": params})
            client.send({"method": "notifications/cancelled", "params": {"requestId": id_}})
        assert text_of(await answer_to(client, 9, meta)) == "echo"
        if not modern:  # a modern call that was withdrawn at once may not have been sent
            await wait_until(lambda: len(machine.begun) == 11)
        await wait_until(lambda: machine.cancelled == machine.begun.count("wait"))


async def answer_to(client: Client, id_: int, meta: dict[str, Any]) -> Any:
    """Call ``echo``, and return its answer; answers to others are let by."""
    answer = await client.ask("tools/call", {"name": "echo", "_meta": meta}, id_)
    while answer.get("id") != id_:
        answer = await client.receive()
    return answer


@ERAS
async def test_a_changed_list_is_told(modern: bool) -> None:
    machine = Machine()
    async with machine_and_client(machine) as client:
        meta = await begin(client, modern)
        await client.ask("tools/list", {"_meta": meta})
        if modern:
            params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
            first = await client.ask("subscriptions/listen", params, "l")
            assert first["method"] == "notifications/subscriptions/acknowledged"
        with anyio.fail_after(10):
            await tell_until_heard(machine, client)


async def tell_until_heard(machine: Machine, client: Client) -> None:
    """Change the list until the client hears of it: its stream opens by and by."""
    async with anyio.create_task_group() as tasks:

        async def change() -> None:
            while True:
                await machine.change()
                await anyio.sleep(0.05)

        tasks.start_soon(change)
        assert (await client.receive())["method"] == "notifications/tools/list_changed"
        tasks.cancel_scope.cancel()


@ERAS
async def test_the_end_of_the_input_cancels_what_is_under_way(modern: bool) -> None:
    machine = Machine()
    async with sdk_server(machine) as app, serving(checked(app)) as target:
        async with pumping(target) as client:
            meta = await begin(client, modern)
            for id_ in range(3):
                params = {"name": "wait", "_meta": meta}
                client.send({"id": id_, "method": "tools/call", "params": params})
            await wait_until(lambda: len(machine.begun) == 3)
        await wait_until(lambda: machine.cancelled == 3)


@ERAS
async def test_a_node_that_restarts_costs_only_what_was_under_way(modern: bool) -> None:
    machine = Machine()
    async with pumping(NotRunning("node home is not running")) as client:
        async with sdk_server(machine) as app, serving(checked(app)) as client.target:
            meta = await begin(client, modern)
            await client.ask("tools/list", {"_meta": meta})
            params = {"name": "wait", "_meta": meta}
            client.send({"id": "lost", "method": "tools/call", "params": params})
            await wait_until(lambda: machine.begun == ["wait"])
        lost = await client.receive()
        assert lost["id"] == "lost"
        assert lost["error"]["data"] == {"error": "node_lost", "mayHaveRun": True}
        client.target = NotRunning("node home is not running (start it with `clawmatrix run`)")
        refused = await client.ask("tools/call", {"name": "echo", "_meta": meta}, 2)
        assert refused["error"]["data"] == {"error": "node_not_running", "mayHaveRun": False}
        assert "start it with `clawmatrix run`" in refused["error"]["message"]
        async with sdk_server(Machine()) as app, serving(checked(app)) as client.target:
            heard, answer = [], await client.ask("tools/call", {"name": "echo", "_meta": meta}, 3)
            while "id" not in answer:
                heard.append(answer["method"])
                answer = await client.receive()
            assert text_of(answer) == "echo"
            assert heard == ([] if modern else ["notifications/tools/list_changed"])
            client.close()
        assert client.told[-1] == "the node is there again"


async def test_what_was_changed_after_a_restart_is_told_unasked() -> None:
    machine = Machine()
    async with pumping(NotRunning("node home is not running")) as client:
        async with sdk_server(machine) as app, serving(checked(app)) as client.target:
            await begin(client, modern=False)
            await client.ask("tools/list")
        client.target = NotRunning("node home is not running")
        async with sdk_server(machine) as app, serving(checked(app)) as client.target:
            assert (await client.receive())["method"] == "notifications/tools/list_changed"
            client.close()


async def test_a_client_listens_on_when_its_node_restarted() -> None:
    machine = Machine()
    async with pumping(NotRunning("node home is not running")) as client:
        async with sdk_server(machine) as app, serving(checked(app)) as client.target:
            wanted = {"toolsListChanged": True, "promptsListChanged": False}
            first = await client.ask_modern("subscriptions/listen", id_="l", notifications=wanted)
            assert first["method"] == "notifications/subscriptions/acknowledged"
        client.target = NotRunning("node home is not running")
        machine = Machine()
        async with sdk_server(machine) as app, serving(checked(app)) as client.target:
            for _ in range(2):  # once for what may have changed, and once for what does
                notice = await client.receive()
                assert notice.get("method") == "notifications/tools/list_changed"
                assert notice["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "l"
                await machine.change()
            client.send({"method": "notifications/cancelled", "params": {"requestId": "l"}})
            answer = await client.ask_modern("tools/list", id_=2)
            while "id" not in answer:
                answer = await client.receive()
            assert answer["id"] == 2
            client.close()


async def test_another_token_is_looked_for() -> None:
    async with sdk_server(Machine()) as app, serving(checked(app, "another")) as right:
        async with pumping(right) as client:
            client.target = Target(right.url, "another")
            await begin(client, modern=True)
            client.target = Target(right.url, TOKEN)
            assert "result" in await client.ask_modern("tools/list")
        async with pumping(Target(right.url, "no token at all")) as client:
            refused = await client.ask_modern("tools/list")
            assert refused["error"]["data"] == {"error": "token_refused", "mayHaveRun": False}
