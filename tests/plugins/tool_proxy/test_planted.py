"""The tests of tools bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest

from clawmatrix_core import ExchangeError, Verdict
from clawmatrix_core.testing.simulation import run_simulation
from clawmatrix_grants.api import Permit
from clawmatrix_tool_proxy.asking.calling import RemoteCall, ToolResult
from clawmatrix_tool_proxy.asking.failures import ToolFailed
from clawmatrix_tool_proxy.serving import answering, exposure, running
from clawmatrix_tool_proxy.serving.answering import ToolServer
from clawmatrix_tool_proxy.serving.denials import Denials
from clawmatrix_tool_proxy.serving.refused import Refused
from tests.plugins.tool_proxy import test_calls, test_denied, test_once, test_revoked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_tool_proxy.serving.running import Permitted
    from clawmatrix_tool_proxy.wire import Outcome

pytestmark = [pytest.mark.anyio, pytest.mark.faults_expected]


async def write_it_down_afterwards(node: Node, call: Permitted) -> tuple[Outcome, bytes]:
    """Run the call, and write both lines when it is over."""
    outcome, encoded = await running._run(node, call, running._standing(node, call))
    begun = running._record(call)
    await node.audit(begun)
    await node.audit(attrs.evolve(begun, event="end", outcome="success", duration=0.0))
    return outcome, encoded


async def a_falsy_result_is_a_failure(
    self: RemoteCall, outcome: Outcome
) -> ToolResult | ToolFailed:
    """Take a result that is empty for none."""
    if outcome.success and outcome.result:
        return ToolResult(outcome.result, outcome.cut)
    return ToolFailed.of_outcome(outcome)


async def every_call_may_pass(*_: object, **__: object) -> Permit:
    """Leave it at the question that has no arguments."""
    return Permit(Verdict("allow"))


def an_empty_allow_is_all(globs: Iterable[str]) -> Any:
    """Expose everything where nothing is named."""
    return PATTERN(list(globs) or ["*"])


PATTERN = exposure._pattern


def say_that_it_is_not_there() -> Refused:
    """Tell unknown tools from those that are not granted."""
    return Refused("unknown", "there is no such tool")


class Nothing:
    """A standing that lets everything go on."""

    why = None

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


async def write_all(self: Denials, *call: Any) -> None:
    """Write a line for each denied call."""
    caller, id_, tool, *_ = call
    await self._write(self._record(caller.peer, caller.key, tool, "denied", id_))


async def call_again(self: RemoteCall) -> Any:
    """Make a call a second time where it may have run."""
    try:
        return await NEXT(self)
    except ToolFailed as error:
        if not error.may_have_run or self.__dict__.setdefault("again", False):
            raise
        self.__dict__.update(again=True, _ended=None)
        request, _ = self._request()
        told = msgspec.to_builtins(request)
        self._ex = self._node.exchange(self._peer, "tool_req", told, complete=True)
        try:
            await self._stack.enter_async_context(self._ex)
        except ExchangeError as failed:
            raise ToolFailed.of_exchange(failed) from None
        return await self.__anext__()


NEXT = RemoteCall.__anext__


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: object
    caught_by: tuple[Callable[[NodeFactory], Awaitable[None]], ...]


async def whatever_a_tool_returns(factory: NodeFactory) -> None:
    await test_calls.test_whatever_a_tool_returns_is_a_result(factory, 0)


PLANTS = {
    "audit after execution only": Plant(
        answering,
        "run_permitted",
        write_it_down_afterwards,
        (
            test_denied.test_the_line_is_written_before_the_tool_begins,
            test_denied.test_where_it_cannot_be_written_down_nothing_runs,
        ),
    ),
    "a falsy result is a failure": Plant(
        RemoteCall, "_outcome", a_falsy_result_is_a_failure, (whatever_a_tool_returns,)
    ),
    "conditions are not looked at": Plant(
        answering,
        "permit",
        every_call_may_pass,
        (
            test_denied.test_a_condition_that_does_not_hold_is_a_denial_like_any_other,
            test_denied.test_an_ask_without_anybody_to_ask_is_a_denial,
        ),
    ),
    "an empty allow is all": Plant(
        exposure,
        "_pattern",
        an_empty_allow_is_all,
        (test_denied.test_an_empty_allow_exposes_nothing_and_a_reload_changes_it,),
    ),
    "other words for what is not there": Plant(
        answering,
        "not_allowed",
        say_that_it_is_not_there,
        (test_denied.test_unknown_not_exposed_and_not_granted_get_the_same_words,),
    ),
    "what runs is not asked about again": Plant(
        running,
        "_standing",
        lambda *_: Nothing(),
        (test_revoked.test_a_withdrawn_grant_ends_a_running_call,),
    ),
    "each denied call gets a line": Plant(
        Denials, "note", write_all, (test_denied.test_denied_calls_cannot_fill_the_audit,)
    ),
    "members are own clients": Plant(
        ToolServer,
        "_is_open",
        lambda *_: True,
        (test_denied.test_a_condition_that_does_not_hold_is_a_denial_like_any_other,),
    ),
}


CAUGHT = (
    AssertionError,
    pytest.fail.Exception,
    ToolFailed,
    TimeoutError,
    BaseExceptionGroup,
)


@pytest.mark.parametrize("name", PLANTS)
async def test_a_planted_bug_is_caught(
    name: str, node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = PLANTS[name]
    monkeypatch.setattr(plant.owner, plant.name, plant.bug)
    for caught_by in plant.caught_by:
        with pytest.raises(CAUGHT):
            await caught_by(node_factory)


def test_a_call_that_is_made_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RemoteCall, "__anext__", call_again)
    for seed in (5, 9, 6, 2, 8):  # which one meets it depends a little on the machine
        try:
            test_once.judge(*run_simulation(test_once.scenario, seed=seed, limit=600))
        except (AssertionError, TimeoutError):
            return
    pytest.fail("no run met it")
