"""Calls of tools over a relay: results, output, limits, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core import LOCAL, NodeId, frame_types, hookimpl, key_text
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import (
    Arguments,
    Progress,
    Tool,
    ToolCall,
    ToolError,
    ToolFailed,
    call_tool,
    tool,
)
from clawmatrix_tool_proxy.json_marks import VALUE
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from clawmatrix_tool_proxy.serving.caller import Caller
from clawmatrix_tool_proxy.serving.refused import Refused
from clawmatrix_tool_proxy.serving.slots import ALL_CALLS, PEER_CALLS, READING, Slots
from clawmatrix_tool_proxy.wire import ARGUMENTS, META, RESULT, VALUES, WORDS
from tests.plugins.tool_proxy.nodes import called, code_of, mesh_of, relayed
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from clawmatrix_core import JSON, Exchange, Frame, Node, PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


@pytest.mark.both_loops
@pytest.mark.parametrize("value", ["", 0, None, [], {}, False, "text", {"a": [1, None]}])
async def test_whatever_a_tool_returns_is_a_result(node_factory: NodeFactory, value: JSON) -> None:
    async with relayed(node_factory) as mesh:
        found = await called(mesh, "echo", value=value)
        assert found.value == value
        assert type(found.value) is type(value)
        assert mesh.served.told() == [("begin", "echo", None), ("end", "echo", "success")]
        assert mesh.asked.told() == mesh.served.told()


@pytest.mark.both_loops
async def test_large_arguments_and_results_pass_whole(node_factory: NodeFactory) -> None:
    text = "x" * 700_000
    async with relayed(node_factory) as mesh:
        assert (await called(mesh, "echo", value=[text])).value == [text]
        assert mesh.engine.asked[-1][3] == {"value": [text], "n": 0}


@pytest.mark.both_loops
async def test_output_comes_in_parts_with_progress_between_them(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh, call_tool(mesh.home, "office", "stream") as call:
        parts = [part async for part in call]
        assert parts == [
            part for n in range(3) for part in (Progress(f"{n + 1} of 3"), b"%04d" % n)
        ]
        assert (await call.result()).value == {"parts": 3}


@pytest.mark.both_loops
async def test_a_plain_function_runs_in_a_thread_and_writes_from_it(
    node_factory: NodeFactory,
) -> None:
    async with (
        relayed(node_factory) as mesh,
        call_tool(mesh.home, "office", "shout", {"text": "hey"}) as call,
    ):
        assert [part async for part in call] == [b"home\n"]
        assert (await call.result()).value == "HEY"


@pytest.mark.bound("clawmatrix_tool_proxy.config.MAX_OUTPUT")
async def test_too_much_output_is_cut_and_the_result_says_so(node_factory: NodeFactory) -> None:
    async with relayed(node_factory, table={"max_output": "10 kB"}) as mesh:
        arguments = {"parts": 4, "size": 3000}
        async with call_tool(mesh.home, "office", "stream", arguments) as call:
            output = [part async for part in call if isinstance(part, bytes)]
            found = await call.result()
        assert sum(map(len, output)) == 10_000
        assert (found.value, found.cut.output) == ({"parts": 4}, 2000)
        text = await called(mesh, "big", size=12_000)
        assert (text.value, text.cut.result) == ("x" * 10_000, 2000)
        listed = await called(mesh, "big", size=12_000, kind="list")
        assert isinstance(listed.value, str)
        assert (len(listed.value), listed.cut.result) == (10_000, 24_001 - 10_000)


async def test_errors_of_a_tool_have_its_code_and_say_that_it_ran(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        with pytest.raises(ToolFailed, match="there is no such thing") as raised:
            await called(mesh, "fail")
        error = raised.value
        assert (error.code, error.exit_status, error.may_have_run) == ("not_found", 7, True)
        assert mesh.served.told("end") == [("end", "fail", "not_found")]


@pytest.mark.faults_expected
async def test_a_tool_that_goes_wrong_is_a_fault_and_its_words_stay_here(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        with pytest.raises(ToolFailed) as raised:
            await called(mesh, "crash")
        assert (raised.value.code, raised.value.may_have_run) == ("internal", True)
        assert "secret" not in str(raised.value)
        assert [fault.split(": ")[1] for fault in node_factory.faults()] == ["shop"]
        assert mesh.served.told("end") == [("end", "crash", "internal")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"n": "one"}, "n: expected `int`"), ({"m": 1}, "`m` is unknown")],
)
async def test_arguments_that_do_not_fit_run_nothing(
    node_factory: NodeFactory, arguments: dict[str, JSON], words: str
) -> None:
    async with relayed(node_factory) as mesh:
        with pytest.raises(ToolFailed, match=words) as raised:
            await called(mesh, "echo", **arguments)
        assert (raised.value.code, raised.value.may_have_run) == ("bad_arguments", False)
        assert (mesh.shop.began, mesh.served.records) == ([], [])


async def test_a_deadline_stops_the_tool(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        assert await code_of(mesh, "short") == "deadline"
        with pytest.raises(ToolFailed, match=r"over 0\.05 s") as raised:
            async with call_tool(mesh.home, "office", "wait", timeout=0.05) as call:
                await call.result()
        assert (raised.value.code, raised.value.may_have_run) == ("deadline", True)
        assert mesh.shop.stopped == 1
        assert mesh.served.told("end") == [
            ("end", "short", "deadline"),
            ("end", "wait", "deadline"),
        ]


@pytest.mark.both_loops
async def test_a_caller_that_leaves_stops_the_tool_over_two_hops(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        async with call_tool(mesh.home, "office", "wait"):
            await mesh.shop.open.wait()
        await wait_until(lambda: mesh.shop.stopped == 1, limit=1)
        await wait_until(lambda: mesh.served.told("end") == [("end", "wait", "cancelled")])
        assert mesh.asked.told("end") == [("end", "wait", "cancelled")]


async def test_a_tool_runs_so_often_at_once_and_then_is_busy(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(code_of, mesh, "slow")
        await wait_until(lambda: len(mesh.shop.began) == 2)
        with pytest.raises(ToolFailed, match="slow runs 2 times") as raised:
            await called(mesh, "slow")
        assert (raised.value.code, raised.value.may_have_run) == ("busy", False)
        assert (await called(mesh, "echo")).value is None  # others are not held up
        tasks.cancel_scope.cancel()


@pytest.mark.bound(
    "clawmatrix_tool_proxy.serving.slots.PEER_CALLS",
    "clawmatrix_tool_proxy.serving.slots.ALL_CALLS",
    "clawmatrix_tool_proxy.serving.slots.READING",
)
def test_calls_are_counted_for_each_caller_and_in_all() -> None:
    slots, names = Slots(), [Caller(NodeId(f"n{n}"), f"key{n}") for n in range(9)]
    held = []
    for n in range(ALL_CALLS):
        held.append(slots.of_caller(names[n // PEER_CALLS]))
        held[-1].__enter__()
    for caller, words in ((names[0], "of yours"), (names[8], "too many calls")):
        with pytest.raises(Refused, match=words), slots.of_caller(caller):
            raise AssertionError
    held.pop().__exit__(None, None, None)
    half = READING // 2
    with slots.of_caller(names[8]), slots.of_bytes(names[0], half):
        with pytest.raises(Refused, match="large arguments"), slots.of_bytes(names[0], 1):
            raise AssertionError
        with (
            slots.of_bytes(names[1], half),
            pytest.raises(Refused, match="large arguments"),
            slots.of_bytes(names[2], 1),
        ):
            raise AssertionError
        assert slots.running == {}


@pytest.mark.bound("clawmatrix_tool_proxy.wire.ARGUMENTS")
async def test_arguments_over_the_limit_are_refused_at_both_ends(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        assert await code_of(mesh, "echo", value="x" * ARGUMENTS) == "too_large"
        request = {"tool": "echo", "paramsBytes": ARGUMENTS + 1}
        async with mesh.home.exchange("office", "tool_req", request) as ex:
            answer = await ex.receive()
        assert (answer["success"], answer["code"]) == (False, "too_large")
        request = {"tool": "echo", "paramsBytes": 10}
        async with mesh.home.exchange("office", "tool_req", request) as ex:
            await ex.finish(b"0123456789a")
            answer = await ex.receive()
        assert answer["code"] == "bad_request"
        assert mesh.shop.began == []


DENSE = b"[" + b"[]," * VALUES + b"[]]"


def in_pieces(data: bytes) -> list[bytes]:
    return [data[at : at + 60_000] for at in range(0, len(data), 60_000)]


@pytest.mark.parametrize("text", ["x" * 200_000, "\ud800", "\x1b"])
async def test_any_words_of_an_error_reach_the_caller(node_factory: NodeFactory, text: str) -> None:
    async def odd() -> None:
        raise ToolError(text, text, exit_status=999)

    async with relayed(node_factory, tool(odd)) as mesh:
        with pytest.raises(ToolFailed) as raised:
            await called(mesh, "odd")
        assert 0 < len(raised.value.code) <= 64
        assert (0 < len(str(raised.value)) <= WORDS, raised.value.exit_status) == (True, 255)
        assert raised.value.may_have_run
        words = {"x" * 200_000: 1}
        assert await code_of(mesh, "echo", **words) == "bad_arguments"


@pytest.mark.faults_expected
async def test_a_tool_that_cannot_say_what_would_run_did_not_run(node_factory: NodeFactory) -> None:
    def canonical(arguments: Arguments) -> Arguments:
        raise RuntimeError("the secret of the shop")

    async def odd() -> None:
        raise AssertionError

    async with relayed(node_factory, tool(odd, canonical=canonical)) as mesh:
        with pytest.raises(ToolFailed, match="the log of its node says how") as raised:
            await called(mesh, "odd")
        assert (raised.value.code, raised.value.may_have_run) == ("internal", False)
        assert mesh.served.records == []
        assert mesh.office.hooks.works("shop")
        assert (await called(mesh, "echo", value=1)).value == 1


class Liar:
    """Answers calls with what a test has."""

    plugin_name = "liar"

    def __init__(self, *payloads: JSON) -> None:
        self.payloads = payloads

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("tool_req")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self.answer, self.scope)

    async def answer(self, ex: Exchange) -> None:
        for payload in self.payloads:
            await ex.send(payload)


async def test_arguments_of_very_many_values_are_refused_before_they_are_decoded(
    node_factory: NodeFactory,
) -> None:
    dense = b'{"value":[' + b"[]," * (READING // 2 // VALUE) + b"1]}"
    assert len(dense) < ARGUMENTS
    text = b'{"value":"' + b"[]," * (READING // 2 // VALUE) + b'"}'
    async with relayed(node_factory) as mesh:
        for data, code in ((dense, "too_large"), (text, "")):
            request = {"tool": "echo", "paramsBytes": len(data)}
            async with mesh.home.exchange("office", "tool_req", request) as ex:
                await ex.finish(data)
                answer = await ex.receive()
            assert answer.get("code", "") == code
        assert mesh.shop.began == [0]


@pytest.mark.bound("clawmatrix_tool_proxy.wire.RESULT", "clawmatrix_tool_proxy.wire.VALUES")
@pytest.mark.parametrize(
    ("payloads", "code"),
    [
        ([{"success": True, "resultBytes": RESULT + 1}], "too_large"),
        ([{"success": True, "resultBytes": 4}, b"null"], "no error: None"),
        ([{"success": True, "resultBytes": 4}, b"nul", b"l1"], "bad_answer"),
        ([{"success": True, "resultBytes": len(DENSE)}, *in_pieces(DENSE)], "too_large"),
        ([{"success": True, "resultBytes": 4}, b"nul"], "bad_answer"),
        ([{"success": True, "resultBytes": -4}], "bad_answer"),
        ([{"success": "yes"}], "bad_answer"),
        ([{"progress": 1}], "bad_answer"),
        ([[]], "bad_answer"),
        ([], "ended"),
        ([{"success": True, "audit": "x" * 1025}], "bad_answer"),
        ([{"success": False}], "failed"),
        ([{"success": True, "audit": "no head"}], "no error: None"),
        ([{"success": True, "auditFollows": True}], "no error: None"),
        ([{"success": True, "auditFollows": True}, {"audit": "no head"}], "no error: None"),
        ([{"success": True, "auditFollows": True}, {"audit": "x" * 1025}], "no error: None"),
        ([{"success": True, "auditFollows": True}, b"audit", [], 5], "no error: None"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(
    node_factory: NodeFactory, payloads: list[JSON], code: str
) -> None:
    liar = node_factory("liar", plugins=[Liar(*payloads)])
    home = node_factory("home", dials=["liar"], plugins=[ToolProxyPlugin(), Notebook()])
    async with liar, home:
        await wait_until(lambda: home.reachable("liar"))
        try:
            async with call_tool(home, "liar", "echo") as call:
                told = f"no error: {(await call.result()).value}"
        except ToolFailed as error:
            told = error.code
        assert told == code


async def test_hook_register_tools(node_factory: NodeFactory) -> None:
    async def new(n: int) -> int:
        return n + 1

    async with relayed(node_factory, tool(new)) as mesh:
        assert (await called(mesh, "new", n=1)).value == 2


async def test_large_arguments_that_never_come_are_given_up(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_tool_proxy.serving.arguments.PATIENCE", 0.1)
    async with relayed(node_factory) as mesh:
        request = {"tool": "echo", "paramsBytes": 100}
        async with mesh.home.exchange("office", "tool_req", request) as ex:
            await ex.send(b"a few")
            answer = await ex.receive()
        assert (answer["code"], mesh.shop.began) == ("bad_request", [])


@pytest.mark.parametrize("request_", [None, [], {"tool": 1}, {"tool": "echo", "params": []}, {}])
async def test_what_is_no_request_is_refused(node_factory: NodeFactory, request_: JSON) -> None:
    async with relayed(node_factory) as mesh:
        async with mesh.home.exchange("office", "tool_req", request_, complete=True) as ex:
            answer = await ex.receive()
        assert answer["code"] == "bad_request"
        assert mesh.shop.began == []


async def test_a_node_without_the_plugin_says_so(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        with pytest.raises(ToolFailed) as raised:
            async with call_tool(mesh.home, "relay", "echo") as call:
                await call.result()
        assert (raised.value.code, raised.value.may_have_run) == ("no_tools", False)
        assert mesh.asked.told("end") == [("end", "echo", "no_tools")]


async def test_a_node_that_is_not_there_has_not_run_it(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        with pytest.raises(ToolFailed) as raised:
            async with call_tool(mesh.home, "nobody", "echo", deadline=0.2) as call:
                await call.result()
        assert (raised.value.code, raised.value.may_have_run) == ("deadline", False)


async def test_a_node_that_stops_may_have_run_it(node_factory: NodeFactory) -> None:
    mesh, leave = mesh_of(node_factory), anyio.Event()

    async def serve() -> None:
        async with mesh.office:
            await leave.wait()

    async with mesh.relay, mesh.home, anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await wait_until(lambda: mesh.home.reachable("office"))
        async with call_tool(mesh.home, "office", "wait", deadline=20) as call:
            await mesh.shop.open.wait()
            leave.set()
            with pytest.raises(ToolFailed) as raised:
                await call.result()
    assert (raised.value.code, raised.value.may_have_run) == ("stopping", True)
    assert mesh.served.told("end") == [("end", "wait", "cancelled")]


async def test_who_calls_is_the_proven_key_and_own_clients_are_local(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        await called(mesh, "echo")
        key = key_text(mesh.home.identity.sign_public)
        assert {asked[:2] for asked in mesh.engine.asked} == {("home", key)}
        assert {record.key for record in mesh.served.records} == {key}
        office_key = key_text(mesh.office.identity.sign_public)
        assert {record.key for record in mesh.asked.records} == {office_key}
        mesh.engine.asked.clear()
        mesh.served.records.clear()
        async with call_tool(mesh.office, "office", "echo", {"value": 1}) as call:
            assert (await call.result()).value == 1
        assert {asked[:2] for asked in mesh.engine.asked} == {(LOCAL, None)}
        assert [(r.event, r.peer, r.caller) for r in mesh.served.records] == [
            ("begin", LOCAL, False),
            ("end", LOCAL, False),
        ]


@pytest.mark.both_loops
async def test_what_a_protocol_adds_goes_beside_the_arguments_and_numbers_come_back(
    node_factory: NodeFactory,
) -> None:
    async def run(call: ToolCall, arguments: Arguments) -> JSON:
        await call.progress("half", done=1, total=2.5)
        return [dict(call.meta), dict(arguments)]

    beside = Tool("beside", "", {"type": "object"}, run)
    async with (
        relayed(node_factory, beside) as mesh,
        call_tool(mesh.home, "office", "beside", {"n": 1}, meta={"token": "abc"}) as call,
    ):
        assert [part async for part in call] == [Progress("half", done=1, total=2.5)]
        assert (await call.result()).value == [{"token": "abc"}, {"n": 1}]
        assert mesh.engine.asked[-1][3] == {"n": 1}


async def test_too_much_beside_the_arguments_is_refused_before_anything_is_sent(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        with pytest.raises(ToolFailed, match="beside the arguments") as caught:
            async with call_tool(mesh.home, "office", "echo", meta={"x": "y" * META}):
                pass
        assert (caught.value.code, caught.value.may_have_run) == ("too_large", False)
        assert mesh.shop.began == []
