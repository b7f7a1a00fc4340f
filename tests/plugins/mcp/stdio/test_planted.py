"""Bugs that are planted in the pump are noticed by its tests."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.stdio import message, pump, session
from clawmatrix_mcp.stdio.failures import Failed
from clawmatrix_mcp.stdio.parameters import ParameterHeaders
from tests.plugins.mcp.stdio import test_answers, test_message, test_parameters, test_pump
from tests.tools.planted import fails

if TYPE_CHECKING:
    from clawmatrix_mcp.stdio.message import Message

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


@pytest.mark.parametrize("modern", [False, True])
async def test_a_cancel_that_is_not_passed_on(
    modern: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swallowed(self: pump.Pump, message: Message, own: Any) -> None: ...

    monkeypatch.setattr(pump.Pump, "_withdraw", swallowed)
    monkeypatch.setattr(test_pump, "wait_until", partial(wait_until, limit=1.0))
    check = test_pump.test_progress_arrives_and_a_cancelled_call_ends
    assert await fails(lambda: check(modern))


async def test_a_session_that_is_not_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_again(self: session.Session, forgotten: dict[str, str]) -> None: ...

    monkeypatch.setattr(session.Session, "reopen", not_again)
    check = test_pump.test_a_node_that_restarts_costs_only_what_was_under_way
    assert await fails(lambda: check(False))


async def test_a_lost_call_that_is_said_not_to_have_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Failed):
        def __init__(self, word: str, message: str, *, may_have_run: bool = False) -> None:
            super().__init__(word, message)

    monkeypatch.setattr(pump, "Failed", Wrong)
    assert await fails(lambda: test_answers.test_a_stream_without_a_result_is_an_error(b""))


async def test_a_subscription_that_ends_with_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "LISTEN", "nothing")
    assert await fails(test_pump.test_a_client_listens_on_when_its_node_restarted)


async def test_a_name_that_goes_into_a_header_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "header_value", lambda value: value)
    assert await fails(test_message.test_names_that_a_header_cannot_carry_are_encoded)


async def test_arguments_that_are_repeated_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ParameterHeaders, "of", lambda self, message: {})
    check = test_parameters.test_a_call_has_them_whether_the_client_has_listed_or_not
    assert await fails(lambda: check(True))


async def test_a_request_that_overtakes_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pump.Pump._ask

    async def at_once(self: pump.Pump, id_: Any, own: Any, before: Any, tasks: Any) -> None:
        await plain(self, id_, own, None, tasks)

    async def late(self: pump.Pump, message: Message) -> None:
        await anyio.sleep(0.2)  # what a slow connection does
        await post(self, message)

    post = pump.Pump._post
    monkeypatch.setattr(pump.Pump, "_ask", at_once)
    monkeypatch.setattr(pump.Pump, "_post", late)
    assert await fails(test_answers.test_a_request_does_not_overtake_what_has_no_answer)
