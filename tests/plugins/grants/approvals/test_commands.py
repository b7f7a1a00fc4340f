"""``clawmatrix approvals``, as people type it; and who else can approve nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import LOCAL, ExchangeFailure
from clawmatrix_core.testing import (
    call_control,
    http_client,
    run_command,
    stream_control,
    wait_until,
)
from clawmatrix_grants.api import ApprovalPending, Question, permit
from clawmatrix_grants.approvals import methods
from clawmatrix_grants.plugin import GrantsPlugin
from tests.plugins.grants.approvals.helpers import EnginePlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core import JSON, Node
    from clawmatrix_core.testing import NodeFactory

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def office(node_factory: NodeFactory) -> Node:
    return node_of(node_factory)


def node_of(factory: NodeFactory, *more: str) -> Node:
    plugins = [GrantsPlugin(), EnginePlugin()]
    config = {"approvals": {"wait": 0}}
    return factory("office", built_in=("control", *more), plugins=plugins, config=config)


def question(arguments: dict[str, JSON]) -> Question:
    return Question(LOCAL, None, "tool", "exec", arguments)


async def asked(node: Node, arguments: dict[str, JSON]) -> str:
    with pytest.raises(ApprovalPending) as raised:
        await permit(node, question(arguments))
    return raised.value.approval


async def test_people_list_show_and_allow_a_call(office: Node) -> None:
    async with office:
        none = await run_command(office, "approvals", "list")
        assert none.out == "no call waits for an approval\n"
        arguments: dict[str, JSON] = {"argv": ["make", "\u202e" + "x" * 100]}
        id_ = await asked(office, arguments)
        listed = await run_command(office, "approvals", "list")
        assert listed.out.startswith(f'{id_}  @local  tool "exec"  waits, asked ')
        assert "characters more: approvals show" in listed.out
        shown = await run_command(office, "approvals", "show", id_)
        assert "\u202e" not in shown.out
        assert '      "\\u202e' + "x" * 100 + '"\n' in shown.out
        as_json = json.loads((await run_command(office, "approvals", "show", id_, "--json")).out)
        assert as_json["arguments"] == arguments
        [same] = json.loads((await run_command(office, "approvals", "list", "--json")).out)[
            "approvals"
        ]
        assert same == as_json
        allowed = await run_command(office, "approvals", "allow", id_)
        assert (allowed.exit_code, allowed.err) == (0, "")
        assert allowed.out.startswith(shown.out.split(",")[0])
        assert allowed.out.endswith(f"{id_}: allowed once\n")
        assert (await permit(office, question(arguments))).approval == id_
        gone = await run_command(office, "approvals", "show", id_)
        assert (gone.exit_code, gone.err) == (1, f"clawmatrix: no call {id_} waits\n")


async def test_for_a_time_and_denied(office: Node) -> None:
    async with office:
        id_ = await asked(office, {})
        allowed = await run_command(office, "approvals", "allow", id_, "--for", "1h")
        until = re.search(
            rf"{id_}: allowed any number of times, until (\S+ \S+) UTC\n$", allowed.out
        )
        assert until is not None, allowed.out
        left = datetime.fromisoformat(f"{until[1]}+00:00") - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        for _ in range(2):
            assert (await permit(office, question({}))).approval == id_
        denied = await run_command(office, "approvals", "deny", id_)
        assert denied.out == f"{id_}: refused\n"
        with pytest.raises(ExchangeFailure, match="not allowed on this node"):
            await permit(office, question({}))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--for", "8d"], 2, "7 days at most"),
        (["--for", "soon"], 2, "'soon' is no duration such as 30m or 1h"),
        (["--for", "0s"], 2, "7 days at most"),
    ],
)
async def test_a_time_that_nothing_can_be_allowed_for(
    office: Node, words: list[str], code: int, told: str
) -> None:
    async with office:
        id_ = await asked(office, {})
        done = await run_command(office, "approvals", "allow", id_, *words)
        assert done.exit_code == code
        assert told in done.err
        assert await asked(office, {}) == id_


async def test_watching_shows_calls_and_what_becomes_of_them(
    office: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "ALIVE", 0.05)
    told: list[Any] = []
    async with office, anyio.create_task_group() as tasks:

        async def watch() -> None:
            async for item in stream_control(office, "approvals.watch"):
                told.append(item)  # noqa: PERF401 - each as it comes

        tasks.start_soon(watch)
        await wait_until(lambda: {} in told)
        id_ = await asked(office, {"n": 1})
        await call_control(office, "approvals.allow", {"id": id_})
        await wait_until(lambda: any(item.get("approval") for item in told))
        await permit(office, question({"n": 1}))
        other = await asked(office, {"n": 2})
        await call_control(office, "approvals.deny", {"id": other})
        await wait_until(lambda: told[-1] == {} and "refused" in str(told))
        tasks.cancel_scope.cancel()
    states = [(one["id"], one["state"]) for item in told if (one := item.get("approval"))]
    assert states[-1] == (other, "refused")
    assert (id_, "ended") in states


async def test_the_command_watches_until_the_node_stops(
    office: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, sent = [], []  # type: tuple[list[str], list[JSON]]
    watched = methods.ApprovalMethods.watch

    async def watch(self: methods.ApprovalMethods, params: dict[str, JSON]) -> AsyncIterator[JSON]:
        async for item in watched(self, params):
            yield item
            sent.append(item)

    monkeypatch.setattr(methods.ApprovalMethods, "watch", watch)
    async with anyio.create_task_group() as tasks:

        async def command() -> None:
            outputs.append((await run_command(office, "approvals", "watch")).out)

        async with office:
            id_ = await asked(office, {"n": 1})
            tasks.start_soon(command)
            await wait_until(lambda: len(sent) == 1)
            await call_control(office, "approvals.deny", {"id": id_})
            await wait_until(lambda: len(sent) == 2)
    [out] = outputs
    assert out.startswith(f"{id_}: waits, asked just now")
    assert '"n": 1' in out
    assert out.endswith(f"{id_}: refused\n")


@pytest.mark.parametrize("params", [{}, {"id": 1}, {"id": "x", "seconds": True}])
async def test_parameters_that_mean_nothing_are_refused(office: Node, params: Any) -> None:
    async with office:
        for method in ("show", "allow", "deny"):
            with pytest.raises(ExchangeFailure):
                await call_control(office, f"approvals.{method}", params)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # uvicorn runs on nothing else
async def test_the_token_of_the_api_approves_nothing(node_factory: NodeFactory) -> None:
    office = node_of(node_factory, "http", "model-proxy")
    async with office, http_client(office) as client:
        id_ = await asked(office, {})
        for path in ("/approvals", f"/approvals/{id_}", "/v1/approvals", "/approvals.allow"):
            for method in ("GET", "POST", "PUT"):
                answer = await client.request(method, path, json={"id": id_})
                assert answer.status_code == 404
        assert await asked(office, {}) == id_


async def test_status_says_how_many_calls_wait(office: Node) -> None:
    async with office:
        await asked(office, {"n": 1})
        status = await run_command(office, "status")
        assert "1 call waits for an approval: clawmatrix approvals list" in status.out
        await asked(office, {"n": 2})
        assert "2 calls wait for an approval" in (await run_command(office, "status")).out
        section = json.loads((await run_command(office, "status", "--json")).out)["approvals"]
        assert section == {"pending": 2, "allowed": 0, "refused": 0}
